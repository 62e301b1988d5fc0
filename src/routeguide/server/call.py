"""Methods, and one call of a method: what the chain around it and the behaviour within it share."""

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from itertools import count

import grpc

from routeguide.errors import Reconnect, RouteGuideError

Context = grpc.aio.ServicerContext[bytes, bytes]
Behaviour = Callable[["Call"], Awaitable[bytes | None]]
"""What a method does: it reads encoded requests, writes or returns encoded responses, raises our errors."""

_REQUEST_ID_SOURCES = ("x-request-id", "x-amzn-trace-id")
_REQUEST_ID = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?")
"""What is taken for one and sent back: grpc's core fails a call whose trailing metadata has other characters.
Of a longer one only a part could be, which may be that of another call, too."""
_TRANSIT = 0.1
"""Seconds by which the ways of a call's beginning and of its cancellation may differ."""
_PROCESS = uuid.uuid4().hex[:12]
_numbers = count(1)


class Shape(Enum):
    """What the calls of a method wait for, and so what bounds their time."""

    UNARY = "unary"
    """One request and one response, within a deadline."""
    STREAM = "stream"
    """Messages over time, within an idle budget and a total age."""
    WATCH = "watch"
    """News for as long as there may be any; the server's stop ends it."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a service.

    All are registered as streaming their requests; on the wire one request looks the same, and a call
    without any is answered instead of forgotten.
    """

    service: str
    name: str
    behaviour: Behaviour
    shape: Shape
    streams_responses: bool = False
    exempt: bool = False
    """Whether it is answered whatever the load and whoever asks, as health checks must be."""

    @property
    def path(self) -> str:
        """As on the wire; the name alone of what belongs to no service."""
        return f"/{self.service}/{self.name}" if self.service else self.name


class Call(AsyncIterator[bytes]):
    """The requests of one call (iterate over it), its responses (`write`), and what is known of it.

    One read at a time, and one write. A read that is cancelled may lose a request: whoever has to cancel
    reads and go on takes `UnbrokenRequests`. Times are seconds on the monotonic clock.
    """

    __slots__ = (
        "_metadata",
        "_task",
        "_waits",
        "active_at",
        "context",
        "ended_by",
        "method",
        "received",
        "request_id",
        "sent",
        "started",
        "waiting_since",
    )

    def __init__(self, method: Method, context: Context) -> None:
        self.method = method
        self.context = context
        self.received = 0
        self.sent = 0
        self.started = self.active_at = time.monotonic()
        self.waiting_since: float | None = None
        """Set while it waits for its client: for a message, or for room to send one.

        A live stream does both at once. It waits since its client was last heard of, however much is sent.
        """
        self._waits = 0
        self.ended_by: RouteGuideError | None = None
        self._task = asyncio.current_task()
        self._metadata = context.invocation_metadata() or ()
        self.request_id = self._find_request_id()

    @property
    def peer(self) -> str:
        """The other end of the connection, as grpc writes it: ``ipv4:127.0.0.1:50051``.

        Asked for when it is needed: most calls need it never, and grpc writes it anew each time.
        """
        return self.context.peer()

    @property
    def sent_away(self) -> bool:
        """Whether the server itself ended it, for a reason of its own, and asked its client to reconnect."""
        return isinstance(self.ended_by, Reconnect)

    @property
    def is_late(self) -> bool:
        """Whether its client's deadline has passed."""
        left: float | None = self.context.time_remaining()  # the stubs do not know of None
        return left is not None and left <= 0

    @property
    def is_nearly_late(self) -> bool:
        """Whether a client that has just given it up did so because its deadline had passed.

        Its word comes a moment before the deadline that we were told of: that one began to run when the call
        arrived, and grpc rounds it up by as much as a hundredth.
        """
        left: float | None = self.context.time_remaining()  # the stubs do not know of None
        return left is not None and left <= _TRANSIT + 0.01 * (time.monotonic() - self.started)

    def header(self, name: str) -> str | None:
        """The first value of a text header, by its lower-case name."""
        for key, value in self._metadata:
            if key == name and isinstance(value, str):
                return value
        return None

    def headers(self, name: str) -> list[str]:
        """Every value of a text header, by its lower-case name, in order."""
        return [value for key, value in self._metadata if key == name and isinstance(value, str)]

    async def __anext__(self) -> bytes:
        self._begin_to_wait()
        try:
            # Not from the iterator that grpc hands to the method: that is an async generator, and each one
            # that is left before its end costs the event loop a task to close it.
            request: object = await self.context.read()  # the stubs do not know of grpc.aio.EOF
        finally:
            self._waits -= 1
            self.waiting_since = time.monotonic() if self._waits else None
        if not isinstance(request, bytes):
            # So end the requests of a call that its client has cancelled, too, just before it is cancelled.
            await asyncio.sleep(0)
            raise StopAsyncIteration
        self.active_at = time.monotonic()
        self.received += 1
        return request

    async def write(self, response: bytes) -> None:
        """Sends one response; waits while the client's flow-control window is full."""
        self._begin_to_wait()
        try:
            await self.context.write(response)
        finally:
            self._waits -= 1
            if not self._waits:
                self.waiting_since = None
        self.active_at = time.monotonic()
        self.sent += 1

    def _begin_to_wait(self) -> None:
        if not self._waits:
            self.waiting_since = time.monotonic()
        self._waits += 1

    def end(self, error: RouteGuideError) -> None:
        """Ends the call from outside with the status for `error`, wherever it waits. The first one counts."""
        if self.ended_by is None and self._task is not None:
            self.ended_by = error
            self._task.cancel()

    def cause_of_cancellation(self, cancelled: asyncio.CancelledError) -> BaseException | None:
        """Why the call's task was cancelled: by `end`, or from inside; None where grpc itself gave it up."""
        assert self._task is not None  # noqa: S101  # grpc runs every handler in a task; tells mypy so
        if self.ended_by is not None and self._task.uncancel() == 0:
            return self.ended_by
        return None if self._task.cancelling() else cancelled

    def _find_request_id(self) -> str:
        for source in _REQUEST_ID_SOURCES:
            value = self.header(source)
            if value is not None and _REQUEST_ID.fullmatch(value):
                return value
        # Unique without asking the system for randomness each time.
        return f"{_PROCESS}-{next(_numbers):x}"
