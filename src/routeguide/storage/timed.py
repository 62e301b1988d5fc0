"""A store that tells how long its operations take. It changes nothing else."""

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.storage.base import FeatureRepository, ImportResult, LiveFeed, NoteRepository, Storage

Record = Callable[[str, float], None]
"""Is told the name of an operation and the seconds that it took, whether it succeeded or not."""


class TimedStorage(Storage):
    """`storage`, timed. Closing it closes `storage`."""

    def __init__(self, storage: Storage, record: Record) -> None:
        self._storage = storage
        self._record = record
        self.features: FeatureRepository = _TimedFeatures(storage.features, record)
        self.notes: NoteRepository = _TimedNotes(storage.notes, record)

    async def check(self) -> None:
        with _timed(self._record, "check"):
            await self._storage.check()

    async def close(self) -> None:
        await self._storage.close()


class _TimedFeatures(FeatureRepository):
    def __init__(self, features: FeatureRepository, record: Record) -> None:
        self._features = features
        self._record = record

    async def find(self, location: Point) -> Feature | None:
        with _timed(self._record, "features.find"):
            return await self._features.find(location)

    async def count_at(self, locations: Sequence[Point]) -> int:
        with _timed(self._record, "features.count_at"):
            return await self._features.count_at(locations)

    async def within(self, rectangle: Rectangle) -> AsyncGenerator[Sequence[Feature], None]:
        """Each page is an operation, so that a slow consumer's time is not the store's."""
        async with aclosing(self._features.within(rectangle)) as pages:
            while True:
                with _timed(self._record, "features.within"):
                    page = await anext(pages, None)
                if page is None:
                    return
                yield page

    async def count(self) -> int:
        with _timed(self._record, "features.count"):
            return await self._features.count()

    async def import_all(self, features: Iterable[Feature], *, into_empty: bool = False) -> ImportResult:
        with _timed(self._record, "features.import_all"):
            return await self._features.import_all(features, into_empty=into_empty)


class _TimedNotes(NoteRepository):
    def __init__(self, notes: NoteRepository, record: Record) -> None:
        self._notes = notes
        self._record = record

    async def post(self, note: RouteNote) -> Sequence[RouteNote]:
        with _timed(self._record, "notes.post"):
            return await self._notes.post(note)

    async def count(self) -> int:
        with _timed(self._record, "notes.count"):
            return await self._notes.count()

    def follow(self, *, buffer: int) -> LiveFeed:
        return _TimedFeed(self._notes.follow(buffer=buffer), self._record)


class _TimedFeed(LiveFeed):
    """Posting is an operation of the store; hearing is waiting for others."""

    def __init__(self, feed: LiveFeed, record: Record) -> None:
        self._feed = feed
        self._record = record

    async def post(self, note: RouteNote) -> Sequence[RouteNote]:
        with _timed(self._record, "notes.post"):
            return await self._feed.post(note)

    async def ready(self) -> None:
        await self._feed.ready()

    def take(self) -> Sequence[RouteNote]:
        return self._feed.take()

    def close(self) -> None:
        self._feed.close()


@contextmanager
def _timed(record: Record, operation: str) -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    finally:
        record(operation, time.monotonic() - started)
