"""The four behaviours.

The floor above feeds them decoded messages and sends what they return; the floor below keeps features
and notes. Neither shows here.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote, RouteSummary
from routeguide.domain.route import Route
from routeguide.errors import FieldViolation, InvalidInput, LimitExceeded, LiveChatOff, ResultOutOfRange
from routeguide.service.live_chat import live_chat
from routeguide.storage.base import Storage

_LARGEST_INT32 = 2**31 - 1

_LOOKUP_BATCH = 256
"""Points that are looked up in one trip to the store; it bounds what a stream holds in memory."""


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """What one live stream may make the server remember."""

    waiting: int = 1000
    """Notes of others that may wait for a reader."""
    locations: int = 1000
    """Locations at which it may speak, and so follow what others leave there."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask for."""

    note_bytes: int = 4096
    """Bytes of UTF-8 in the message of a note."""
    stream_messages: int = 100_000
    """Points or notes in one stream."""
    live: LiveLimits | None = None
    """For live streams; without them there is no live chat."""


class RouteGuide:
    """The service, over any storage.

    Every method raises the `StorageError` family when the store does, and is safe to cancel anywhere.
    """

    def __init__(
        self, storage: Storage, limits: Limits, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._features = storage.features
        self._notes = storage.notes
        self._limits = limits
        self._clock = clock

    async def get_feature(self, location: Point) -> Feature:
        """The feature at exactly `location`; where there is none, one without a name."""
        return await self._features.find(location) or Feature("", location)

    def list_features(self, rectangle: Rectangle) -> AsyncGenerator[Sequence[Feature], None]:
        """Pages of the features inside `rectangle`, bounds inclusive, in the order of their import."""
        return self._features.within(rectangle)

    async def record_route(self, points: AsyncIterable[Point]) -> RouteSummary:
        """The summary of a route, once `points` has ended. No points: all zeros.

        Raises:
            LimitExceeded: more points than a stream may have.
            ResultOutOfRange: the distance does not fit the wire's int32.
        """
        started = self._clock()
        route = Route()
        on_feature = 0
        unresolved: list[Point] = []
        async for point in points:
            self._check_stream_length("points", route.point_count)
            route.visit(point)
            unresolved.append(point)
            if len(unresolved) == _LOOKUP_BATCH:
                on_feature += await self._features.count_at(unresolved)
                unresolved = []
        if unresolved:
            on_feature += await self._features.count_at(unresolved)
        return RouteSummary(
            point_count=route.point_count,
            feature_count=on_feature,
            distance=_whole_metres(route.distance),
            elapsed_time=int(self._clock() - started),
        )

    async def route_chat(self, notes: AsyncIterable[RouteNote]) -> AsyncGenerator[Sequence[RouteNote], None]:
        """For each note, once it is stored: the notes that were left at its location before it.

        Raises:
            InvalidInput: the message of a note is too long. The notes before it are stored.
            LimitExceeded: more notes than a stream may have. The notes before it are stored.
        """
        index = 0
        async for note in notes:
            self._check_note(note, index)
            yield await self._notes.post(note)
            index += 1

    async def live_chat(self, notes: AsyncIterator[RouteNote]) -> AsyncGenerator[Sequence[RouteNote], None]:
        """As `route_chat`, and what others leave meanwhile where `notes` has spoken.

        Each note of others goes out once, in the order of storing at its location; so a later note at a
        location brings back only what has not gone out before, and never the stream's own notes.

        Raises:
            LiveChatOff: there are no limits for live streams.
            FellBehind: the pages are read more slowly than others write.
            NotesMissed: notes were dropped by retention before they could be sent.
            InvalidInput, LimitExceeded: as in `route_chat`.
        """
        limits = self._limits.live
        if limits is None:
            raise LiveChatOff
        spoken_at: set[Point] = set()

        def check(note: RouteNote, index: int) -> None:
            self._check_note(note, index)
            spoken_at.add(note.location)
            if len(spoken_at) > limits.locations:
                bound = f"one live stream may speak at {limits.locations} locations at most"
                raise LimitExceeded([FieldViolation(f"notes[{index}].location", bound)])

        with closing(self._notes.follow(buffer=limits.waiting)) as feed:
            async with aclosing(live_chat(notes, feed, check)) as pages:
                async for page in pages:
                    yield page

    def _check_note(self, note: RouteNote, index: int) -> None:
        self._check_stream_length("notes", index)
        self._check_length(note, index)

    def _check_stream_length(self, what: str, received: int) -> None:
        if received >= self._limits.stream_messages:
            bound = f"one stream may carry at most {self._limits.stream_messages}"
            raise LimitExceeded([FieldViolation(f"{what}[{received}]", bound)])

    def _check_length(self, note: RouteNote, index: int) -> None:
        size = len(note.message.encode())
        if size > self._limits.note_bytes:
            description = f"{size} bytes of UTF-8 exceed the limit of {self._limits.note_bytes}"
            raise InvalidInput([FieldViolation(f"notes[{index}].message", description)])


def _whole_metres(distance: float) -> int:
    whole = int(distance)
    if whole > _LARGEST_INT32:
        description = f"{whole} metres do not fit the wire's int32 (at most {_LARGEST_INT32})"
        raise ResultOutOfRange([FieldViolation("distance", description)])
    return whole
