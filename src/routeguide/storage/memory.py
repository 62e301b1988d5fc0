"""Features and notes in the memory of one process.

A backend to run, not a mock: it keeps the whole contract but durability, within the same limits. Nothing
here awaits, so every method is atomic for the tasks of the event loop.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import NamedTuple

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.errors import StorageClosed
from routeguide.storage.base import FeatureRepository, ImportResult, NoteRepository, Retention, Storage
from routeguide.storage.strip_index import StripIndex

_PAGE = 256

_LARGE_ANSWER = 10_000
"""Matches up to which a listing remembers their positions; beyond, it scans, and holds only a cursor."""


class _Open:
    """Tells whether the store is still open, to both repositories."""

    def __init__(self) -> None:
        self.closed = False

    def check(self) -> None:
        if self.closed:
            raise StorageClosed("the store is closed")


class MemoryFeatureRepository(FeatureRepository):
    """Features in a dictionary by location, with a `StripIndex` beside it."""

    def __init__(self, is_open: _Open) -> None:
        self._is_open = is_open
        self._by_location: dict[Point, Feature] = {}
        self._in_order: Sequence[Feature] = ()
        self._index = StripIndex(())

    async def find(self, location: Point) -> Feature | None:
        self._is_open.check()
        return self._by_location.get(location)

    async def count_at(self, locations: Sequence[Point]) -> int:
        self._is_open.check()
        return sum(location in self._by_location for location in locations)

    async def within(self, rectangle: Rectangle) -> AsyncGenerator[Sequence[Feature], None]:
        self._is_open.check()
        features = self._in_order
        positions = self._index.within(rectangle, limit=_LARGE_ANSWER)
        if positions is None:
            for start in range(0, len(features), _PAGE):
                # Pages without a match are skipped in silence; others must get their turn meanwhile.
                await asyncio.sleep(0)
                self._is_open.check()
                if page := [each for each in features[start : start + _PAGE] if each.location in rectangle]:
                    yield page
            return
        for start in range(0, len(positions), _PAGE):
            self._is_open.check()
            yield [features[position] for position in positions[start : start + _PAGE]]

    async def count(self) -> int:
        self._is_open.check()
        return len(self._by_location)

    async def import_all(self, features: Iterable[Feature]) -> ImportResult:
        """Builds the new state beside the old and swaps it in; the event loop waits, so import at start."""
        self._is_open.check()
        merged = dict(self._by_location)
        added = renamed = unchanged = 0
        for feature in features:
            known = merged.get(feature.location)
            if known is None:
                added += 1
            elif known.name != feature.name:
                renamed += 1
            else:
                unchanged += 1
            merged[feature.location] = feature
        self._by_location = merged
        self._in_order = tuple(merged.values())
        self._index = StripIndex([feature.location for feature in self._in_order])
        return ImportResult(added, renamed, unchanged)


class _KeptNote(NamedTuple):
    number: int
    stored_at: float
    note: RouteNote


class MemoryNoteRepository(NoteRepository):
    """Notes in one queue per location, and the order of all of them in another."""

    def __init__(self, is_open: _Open, retention: Retention, clock: Callable[[], float]) -> None:
        self._is_open = is_open
        self._retention = retention
        self._clock = clock
        self._kept: dict[Point, deque[_KeptNote]] = {}
        self._posted = 0
        self._order: deque[Point] = deque()
        """Where each of the newest notes was posted; the last one is note number `_posted`."""

    async def post(self, note: RouteNote) -> Sequence[RouteNote]:
        self._is_open.check()
        now = self._clock()
        self._drop_outdated(now)
        kept = self._kept.setdefault(note.location, deque())
        earlier = [each.note for each in kept]
        self._posted += 1
        kept.append(_KeptNote(self._posted, now, note))
        self._order.append(note.location)
        if len(kept) > self._retention.per_location:
            kept.popleft()
        if len(self._order) > self._retention.total:
            self._drop_oldest()
        return earlier

    async def count(self) -> int:
        self._is_open.check()
        self._drop_outdated(self._clock())
        return sum(map(len, self._kept.values()))

    def _drop_outdated(self, now: float) -> None:
        if not self._retention.max_age:
            return
        while self._order:
            oldest = self._oldest()
            if oldest is not None and oldest.stored_at >= now - self._retention.max_age:
                return
            self._drop_oldest()

    def _oldest(self) -> _KeptNote | None:
        """The note that `_order` begins with; None where its location has already dropped it."""
        number = self._posted - len(self._order) + 1
        kept = self._kept.get(self._order[0])
        return kept[0] if kept and kept[0].number == number else None

    def _drop_oldest(self) -> None:
        oldest = self._oldest()
        location = self._order.popleft()
        if oldest is None:
            return
        self._kept[location].popleft()
        if not self._kept[location]:
            del self._kept[location]


class MemoryStorage(Storage):
    """A store that lives as long as the process."""

    def __init__(self, retention: Retention, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_open = _Open()
        self.features = MemoryFeatureRepository(self._is_open)
        self.notes = MemoryNoteRepository(self._is_open, retention, clock)

    async def check(self) -> None:
        self._is_open.check()

    async def close(self) -> None:
        self._is_open.closed = True
