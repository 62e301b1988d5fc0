"""Features in PostgreSQL: point lookups gathered into batches, rectangles in pages.

Every page is one statement, and so sees one state of the table, and no connection is held between pages.
"""

from array import array
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from itertools import chain, repeat

import asyncpg

from routeguide.domain.models import Feature, Point, Rectangle
from routeguide.storage.base import FeatureRepository, ImportResult
from routeguide.storage.coalescing import Coalescer
from routeguide.storage.postgres import statements
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.feature_import import PostgresFeatureImporter

_LOOKUP_BATCH = 256
"""Callers whose points are looked up in one statement."""

_COUNT_BATCH = 1024
"""Points of one caller that are counted in one statement."""

_COUNT_TOGETHER = 16
"""Callers whose points are counted in one statement: some tens of milliseconds at most."""

_PAGE = 512
"""Features in a page."""

_SORTED_IDS = 10_000
"""Ids that a reader may hold; a larger result is found by walking the table in its order instead."""

_SCAN_WINDOW = 16_384
"""Ids that one statement of such a walk looks at: some milliseconds."""


class PostgresFeatureRepository(FeatureRepository):
    """Lookups wait for those before them, never for listings, which have connections of their own."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._importer = PostgresFeatureImporter(connections)
        self._finder: Coalescer[Point, Feature | None] = Coalescer(self._find_all, max_batch=_LOOKUP_BATCH)
        self._counter: Coalescer[Sequence[Point], int] = Coalescer(self._count_all, max_batch=_COUNT_TOGETHER)

    async def find(self, location: Point) -> Feature | None:
        return await self._finder.submit(location)

    async def count_at(self, locations: Sequence[Point]) -> int:
        counted = 0
        for start in range(0, len(locations), _COUNT_BATCH):
            counted += await self._counter.submit(locations[start : start + _COUNT_BATCH])
        return counted

    async def within(self, rectangle: Rectangle) -> AsyncGenerator[Sequence[Feature], None]:
        few = await self._fetch(statements.FEW_WITHIN, *_corners(rectangle), _PAGE + 1)
        if len(few) <= _PAGE:
            if few:
                yield _features(few)
            return
        hits = await self._fetch(statements.IDS_WITHIN, *_corners(rectangle), _SORTED_IDS + 1)
        ids = array("q", sorted(hit[0] for hit in hits))
        pages = self._by_ids(ids) if len(ids) <= _SORTED_IDS else self._by_scan(rectangle)
        async with aclosing(pages):
            async for page in pages:
                yield page

    async def count(self) -> int:
        return int((await self._fetch(statements.COUNT_FEATURES))[0][0])

    async def import_all(self, features: Iterable[Feature]) -> ImportResult:
        return await self._importer.import_all(features)

    async def close(self) -> None:
        """Refuses whoever waits; the connections belong to whoever opened them."""
        await self._finder.close()
        await self._counter.close()
        await self._importer.close()

    async def _fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
        async with self._connections.connection() as connection:
            return await connection.fetch(statement, *values)

    async def _find_all(self, locations: Sequence[Point]) -> Sequence[Feature | None]:
        rows = await self._fetch(statements.FIND_FEATURES, *_columns(locations))
        names = {(latitude, longitude): name for latitude, longitude, name in rows}
        found = [names.get((location.latitude, location.longitude)) for location in locations]
        return [
            None if name is None else Feature(name.decode(), location)
            for name, location in zip(found, locations, strict=True)
        ]

    async def _count_all(self, requests: Sequence[Sequence[Point]]) -> Sequence[int]:
        numbers = [*chain.from_iterable(repeat(number, len(each)) for number, each in enumerate(requests))]
        locations = [*chain.from_iterable(requests)]
        rows = await self._fetch(statements.COUNT_FEATURES_AT, numbers, *_columns(locations))
        found: dict[int, int] = dict(map(tuple, rows))
        return [found.get(number, 0) for number in range(len(requests))]

    async def _by_ids(self, ids: Sequence[int]) -> AsyncGenerator[Sequence[Feature], None]:
        for start in range(0, len(ids), _PAGE):
            yield _features(await self._fetch(statements.FEATURES_BY_ID, ids[start : start + _PAGE]))

    async def _by_scan(self, rectangle: Rectangle) -> AsyncGenerator[Sequence[Feature], None]:
        last = (await self._fetch(statements.LAST_FEATURE))[0][0]
        after = 0
        while after < last:
            end = after + _SCAN_WINDOW
            rows = await self._fetch(statements.SCAN_WITHIN, after, end, *_corners(rectangle), _PAGE)
            if rows:
                yield _features(rows)
            after = rows[-1]["id"] if len(rows) == _PAGE else end


def _columns(locations: Sequence[Point]) -> tuple[list[int], list[int]]:
    return [each.latitude for each in locations], [each.longitude for each in locations]


def _corners(rectangle: Rectangle) -> tuple[int, int, int, int]:
    return rectangle.west, rectangle.south, rectangle.east, rectangle.north


def _features(rows: Sequence[asyncpg.Record]) -> list[Feature]:
    return [Feature(row[2].decode(), Point(row[0], row[1])) for row in rows]
