"""What stores in databases have in common: lookups that travel together, listings in pages, one closing.

A database's own part is the statements, and how they get there.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing

from routeguide.domain.models import Feature, Point, Rectangle
from routeguide.storage.base import FeatureRepository, ImportResult, Storage
from routeguide.storage.coalescing import Coalescer

PAGE = 512
"""Features in a page."""

SORTED_IDS = 10_000
"""Ids that a reader may hold; a larger result is found by walking the table in its order instead."""

SCAN_WINDOW = 16_384
"""Ids that one trip of such a walk looks at: some milliseconds."""

_COUNT_BATCH = 1024
"""Points of one caller that are counted in one statement; SQLite takes 32 766 parameters at most."""

_COUNT_TOGETHER = 16
"""Callers whose points are counted in one trip: some milliseconds, some tens of them over a network."""


class FeatureImporter(ABC):
    """What a database needs an object of its own for: it may have to be undone in the middle."""

    @abstractmethod
    async def import_all(self, features: Iterable[Feature], *, into_empty: bool = False) -> ImportResult:
        """As `FeatureRepository.import_all` promises."""

    @abstractmethod
    async def close(self) -> None:
        """Undoes imports under way, which raise StorageClosed; one that commits may finish. Waits for all."""


class DatabaseFeatures(FeatureRepository):
    """Each page of a listing is one statement, so that nothing is held between two pages."""

    def __init__(self, importer: FeatureImporter, *, lookup_batch: int) -> None:
        """
        Args:
            lookup_batch: callers whose points are looked up in one trip.
        """
        self._importer = importer
        self._finder: Coalescer[Point, Feature | None] = Coalescer(self._find_all, max_batch=lookup_batch)
        self._counter: Coalescer[Sequence[Point], int] = Coalescer(self._count_all, max_batch=_COUNT_TOGETHER)

    async def find(self, location: Point) -> Feature | None:
        return await self._finder.submit(location)

    async def count_at(self, locations: Sequence[Point]) -> int:
        counted = 0
        for start in range(0, len(locations), _COUNT_BATCH):
            counted += await self._counter.submit(locations[start : start + _COUNT_BATCH])
        return counted

    async def within(self, rectangle: Rectangle) -> AsyncGenerator[Sequence[Feature], None]:
        few = await self._few_within(rectangle)
        if len(few) <= PAGE:
            if few:
                yield few
            return
        ids = await self._ids_within(rectangle)
        pages = self._by_ids(ids) if len(ids) <= SORTED_IDS else self._by_scan(rectangle)
        async with aclosing(pages):
            async for page in pages:
                yield page

    async def import_all(self, features: Iterable[Feature], *, into_empty: bool = False) -> ImportResult:
        return await self._importer.import_all(features, into_empty=into_empty)

    async def close(self) -> None:
        """Refuses whoever waits; the connections belong to whoever opened them."""
        await self._finder.close()
        await self._counter.close()
        await self._importer.close()

    @abstractmethod
    async def _find_all(self, locations: Sequence[Point]) -> Sequence[Feature | None]:
        """What there is at each of `locations`."""

    @abstractmethod
    async def _count_all(self, requests: Sequence[Sequence[Point]]) -> Sequence[int]:
        """For each caller, how many of its points lie on a feature."""

    @abstractmethod
    async def _few_within(self, rectangle: Rectangle) -> Sequence[Feature]:
        """A page at most, and one feature more if there are further pages."""

    @abstractmethod
    async def _ids_within(self, rectangle: Rectangle) -> Sequence[int]:
        """The sorted ids, or one more than `SORTED_IDS` of them in no order."""

    @abstractmethod
    async def _features_by_id(self, ids: Sequence[int]) -> Sequence[Feature]:
        """The features with these ids, a page of them, in their order."""

    @abstractmethod
    async def _last_id(self) -> int:
        """The highest id; 0 where there is no feature."""

    @abstractmethod
    async def _scan(self, rectangle: Rectangle, after: int) -> tuple[Sequence[Feature], int]:
        """The first page of the `SCAN_WINDOW` ids after `after`, and the id after which the next begins."""

    async def _by_ids(self, ids: Sequence[int]) -> AsyncGenerator[Sequence[Feature], None]:
        for start in range(0, len(ids), PAGE):
            yield await self._features_by_id(ids[start : start + PAGE])

    async def _by_scan(self, rectangle: Rectangle) -> AsyncGenerator[Sequence[Feature], None]:
        last = await self._last_id()
        after = 0
        while after < last:
            page, after = await self._scan(rectangle, after)
            if page:
                yield page


class DatabaseStorage(Storage):
    """A store that is closed once, whoever asks for it and however often."""

    _closing: asyncio.Task[None] | None = None

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="close storage")
        # Shielded, because a closer that is cancelled must not leave connections behind.
        await asyncio.shield(self._closing)

    @abstractmethod
    async def _close(self) -> None:
        """Lets what is under way finish and frees everything."""


def features_at(locations: Sequence[Point], names: Mapping[tuple[int, int], str]) -> list[Feature | None]:
    """The feature at each of `locations`, by the names of those that there are."""
    found = [names.get((location.latitude, location.longitude)) for location in locations]
    return [
        None if name is None else Feature(name, location)
        for name, location in zip(found, locations, strict=True)
    ]
