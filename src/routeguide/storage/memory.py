"""Features and notes in the memory of one process.

A backend to run, not a mock: it keeps the whole contract but durability, within the same limits. Nothing
here awaits but long loops, so what changes the store is atomic for the tasks of the event loop.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import NamedTuple

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.errors import StorageClosed
from routeguide.storage.base import (
    FeatureRepository,
    ImportResult,
    LiveFeed,
    NoteRepository,
    Retention,
    Storage,
)
from routeguide.storage.feed import Posting, Stored
from routeguide.storage.live import LiveNotes
from routeguide.storage.strip_index import StripIndex

_PAGE = 256

_STRETCH = 1000
"""Features that are imported before others get their turn: signals, and calls."""

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
        self._importing = asyncio.Lock()
        """Each import begins with what the one before it left."""

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

    async def import_all(self, features: Iterable[Feature], *, into_empty: bool = False) -> ImportResult:
        """Builds the new state beside the old and swaps it in."""
        async with self._importing:
            self._is_open.check()
            if into_empty and self._by_location:
                return ImportResult()
            merged, result = await self._merge(features)
            self._is_open.check()
            in_order = tuple(merged.values())
            self._index = StripIndex([feature.location for feature in in_order])
            self._by_location, self._in_order = merged, in_order
        return result

    async def _merge(self, features: Iterable[Feature]) -> tuple[dict[Point, Feature], ImportResult]:
        merged = dict(self._by_location)
        added = renamed = unchanged = 0
        for number, feature in enumerate(features):
            if not number % _STRETCH:
                await asyncio.sleep(0)
                self._is_open.check()
            known = merged.get(feature.location)
            if known is None:
                added += 1
            elif known.name != feature.name:
                renamed += 1
            else:
                unchanged += 1
            merged[feature.location] = feature
        return merged, ImportResult(added, renamed, unchanged)


class _KeptNote(NamedTuple):
    number: int
    stored_at: float
    note: RouteNote


class MemoryNoteRepository(NoteRepository):
    """Every note in the order of storing, and a queue of them per location; a note leaves both at once."""

    def __init__(self, is_open: _Open, retention: Retention, clock: Callable[[], float]) -> None:
        self._is_open = is_open
        self._retention = retention
        self._clock = clock
        self._posted = 0
        # A plain dict would search from its first entry ever for the oldest one that is left.
        self._kept: OrderedDict[int, _KeptNote] = OrderedDict()
        self._at: dict[Point, deque[_KeptNote]] = {}
        self._live = LiveNotes()

    async def post(self, note: RouteNote) -> Sequence[RouteNote]:
        return await self._post(Posting(note))

    def follow(self, *, buffer: int) -> LiveFeed:
        return self._live.open_feed(self._post, buffer=buffer)

    async def count(self) -> int:
        self._is_open.check()
        self._drop_outdated(self._clock())
        return len(self._kept)

    def close(self) -> None:
        """Ends the feeds."""
        self._live.close()

    async def _post(self, posting: Posting) -> Sequence[RouteNote]:
        self._is_open.check()
        earlier = self._store(posting.note)
        if self._live.concerned([posting]):
            self._live.publish([Stored(self._posted, *posting, earlier)])
        return earlier

    def _store(self, note: RouteNote) -> Sequence[RouteNote]:
        now = self._clock()
        self._drop_outdated(now)
        here = self._at.setdefault(note.location, deque())
        earlier = [each.note for each in here]
        self._posted += 1
        kept = self._kept[self._posted] = _KeptNote(self._posted, now, note)
        here.append(kept)
        if len(here) > self._retention.per_location:
            self._drop(here[0])
        if len(self._kept) > self._retention.total:
            self._drop(self._oldest())
        return earlier

    def _drop_outdated(self, now: float) -> None:
        if self._retention.max_age:
            while self._kept and self._oldest().stored_at < now - self._retention.max_age:
                self._drop(self._oldest())

    def _oldest(self) -> _KeptNote:
        return next(iter(self._kept.values()))

    def _drop(self, oldest: _KeptNote) -> None:
        """Forgets a note that is the oldest of its location."""
        del self._kept[oldest.number]
        here = self._at[oldest.note.location]
        here.popleft()
        if not here:
            del self._at[oldest.note.location]


class MemoryStorage(Storage):
    """A store that lives as long as the process."""

    notes: MemoryNoteRepository

    def __init__(self, retention: Retention, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_open = _Open()
        self.features = MemoryFeatureRepository(self._is_open)
        self.notes = MemoryNoteRepository(self._is_open, retention, clock)

    async def check(self) -> None:
        self._is_open.check()

    async def close(self) -> None:
        self._is_open.closed = True
        self.notes.close()
