"""Watches over the calls that are running, all of them at once.

A timer for every call would cost more than many a call, so one task looks at all of them a few times a
second: budgets are kept to within a tick.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

from routeguide.errors import DeadlineExceeded, Reconnect, RouteGuideError
from routeguide.server.call import Call, Shape

_TICK = 0.1
"""Seconds between two looks."""

_QUIET = 1.0
"""Seconds after which a stream that waits for its client counts as quiet once the server stops."""

_FAREWELLS = _QUIET + 3 * _TICK
"""Seconds within which a stream that waits when the server stops, and goes on waiting, has ended."""

_FAREWELL = Reconnect("the server is stopping; reconnect")


@dataclass(frozen=True, slots=True)
class Budgets:
    """How long calls may take, in seconds; 0 is for ever."""

    unary: float = 0.0
    stream_idle: float = 0.0
    stream_age: float = 0.0

    def exceeded(self, call: Call, now: float) -> RouteGuideError | None:
        """What to end `call` with, if it is over its budget."""
        if call.method.shape is Shape.UNARY:
            if self.unary and now - call.started > self.unary:
                return DeadlineExceeded(f"the call took longer than {self.unary:g} s")
        elif call.method.shape is Shape.STREAM:
            if self.stream_idle and now - call.active_at > self.stream_idle:
                return Reconnect(f"no message went either way for {self.stream_idle:g} s; reconnect")
            if self.stream_age and now - call.started > self.stream_age:
                return Reconnect(f"streams end after {self.stream_age:g} s; reconnect")
        return None


class Supervisor:
    """Knows every running call, keeps it to its budget, and sees the last one out."""

    def __init__(self, budgets: Budgets) -> None:
        self.running: set[Call] = set()
        self.load = 0
        """Running calls that count: health checks do not."""
        self._budgets = budgets
        self._stopping = False
        self._none_running = asyncio.Event()
        self._none_running.set()

    def enter(self, call: Call) -> None:
        self.running.add(call)
        self.load += not call.method.exempt
        self._none_running.clear()

    def leave(self, call: Call) -> None:
        self.running.discard(call)
        self.load -= not call.method.exempt
        if not self.running:
            self._none_running.set()

    async def watch(self) -> None:
        """Looks again and again; never returns."""
        while True:
            await asyncio.sleep(_TICK)
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Ends calls over their budget at `now` (seconds, monotonic), and from `stop` on quiet ones."""
        for call in tuple(self.running):
            error = self._budgets.exceeded(call, now) or self._farewell(call, now)
            if error is not None:
                call.end(error)

    def stop(self) -> None:
        """From now on a stream ends as soon as it is quiet, so that none uses up the grace by waiting.

        One that has been quiet already ends at the next look, others once they have been for a second.
        """
        self._stopping = True

    async def last_farewell(self, within: float) -> None:
        """Returns when all who wait have been told to go and have heard it, `within` seconds later at most.

        Connections must be open until then. Once a GOAWAY has gone out, grpc closes one with its last stream,
        and a peer that is just writing finds it closed before it has read how others ended: Envoy then
        resets these, without a word of why.
        """
        if not any(map(_is_to_go, self.running)):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(min(within, _FAREWELLS)):
                while any(map(_is_to_go, self.running)):  # noqa: ASYNC110  # what ends them looks as often
                    await asyncio.sleep(_TICK)
                await asyncio.sleep(_TICK)  # for the last ones' statuses to be read

    def cut_off(self) -> int:
        """Ends every call that is still running, and says how many these are."""
        for call in tuple(self.running):
            call.end(_FAREWELL)
        return len(self.running)

    async def finished(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # it ends well all the same
        """Returns when no call is running, or `timeout` seconds later.

        `grpc.aio.Server.stop` returns before its handlers have (grpc/grpc#37239).
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._none_running.wait()

    def _farewell(self, call: Call, now: float) -> RouteGuideError | None:
        if not self._stopping:
            return None
        quiet = call.waiting_since is not None and now - call.waiting_since > _QUIET
        return _FAREWELL if quiet or call.method.shape is Shape.WATCH else None


def _is_to_go(call: Call) -> bool:
    """Whether it has been ended, or may be soon because its client says nothing."""
    return call.ended_by is not None or call.waiting_since is not None or call.method.shape is Shape.WATCH
