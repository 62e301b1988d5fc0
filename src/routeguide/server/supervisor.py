"""Watches over the calls that are running, all of them at once.

A timer for every call would cost more than many a call, so one task looks at all of them a few times a
second: budgets are kept to within a tick.
"""

import asyncio
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass

from routeguide.errors import DeadlineExceeded, Reconnect, RouteGuideError
from routeguide.server.call import Call, Shape

_TICK = 0.1
"""Seconds between two looks."""

_QUIET = 1.0
"""Seconds after which a stream that waits for its client counts as quiet once the server stops."""

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
        self._stopping = self._cutting_off = False
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
        """Ends calls over their budget at `now` (seconds, monotonic), and those that a stop sends away."""
        for call in tuple(self.running):
            if error := self._budgets.exceeded(call, now):
                call.end(error)
        if going := [call for call in self.running if self._is_to_go(call, now)]:
            self._send_away(going)

    def stop(self) -> None:
        """From now on a stream ends as soon as it is quiet, so that none uses up the grace by waiting.

        One that has been quiet already ends at the next look or the one after, others once they have been for
        a second.
        """
        self._stopping = True

    def cut_off(self) -> int:
        """From now on every call ends, at the next look or the one after. Says how many are running."""
        self._stopping = self._cutting_off = True
        return len(self.running)

    async def finished(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # it ends well all the same
        """Returns when no call is running, or `timeout` seconds later.

        `grpc.aio.Server.stop` returns before its handlers have (grpc/grpc#37239).
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._none_running.wait()

    def _is_to_go(self, call: Call, now: float) -> bool:
        if call.ended_by is not None or not self._stopping:
            return False
        quiet = call.waiting_since is not None and now - call.waiting_since > _QUIET
        return quiet or self._cutting_off or call.method.shape is Shape.WATCH

    def _send_away(self, going: list[Call]) -> None:
        """Ends these calls, but leaves one of each connection for the next look, if it has several.

        After a GOAWAY grpc closes a connection as soon as its last call has ended. Where all of them ended at
        once, Envoy had read the end of the first and was just writing when it found the connection closed: it
        threw away what it had not read yet, and reset the others. They heard INTERNAL instead of "reconnect".
        """
        of_connection = defaultdict[str, list[Call]](list)
        for call in going:
            of_connection[call.peer].append(call)
        for first, *others in of_connection.values():
            for call in others or [first]:
                call.end(_FAREWELL)
