"""Features in PostgreSQL: the statements, and how rows become features."""

from array import array
from collections.abc import Sequence
from itertools import chain, repeat

import asyncpg

from routeguide.domain.models import Feature, Point, Rectangle
from routeguide.storage.database import PAGE, SCAN_WINDOW, SORTED_IDS, DatabaseFeatures, features_at
from routeguide.storage.postgres import statements
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.feature_import import PostgresFeatureImporter

_LOOKUP_BATCH = 256
"""Callers whose points are looked up in one statement."""


class PostgresFeatureRepository(DatabaseFeatures):
    """Borrows a connection for each statement, and holds none between them."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(PostgresFeatureImporter(connections), lookup_batch=_LOOKUP_BATCH)
        self._connections = connections

    async def count(self) -> int:
        return int((await self._fetch(statements.COUNT_FEATURES))[0][0])

    async def _fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
        async with self._connections.connection() as connection:
            return await connection.fetch(statement, *values)

    async def _find_all(self, locations: Sequence[Point]) -> Sequence[Feature | None]:
        rows = await self._fetch(statements.FIND_FEATURES, *_columns(locations))
        names = {(latitude, longitude): name.decode() for latitude, longitude, name in rows}
        return features_at(locations, names)

    async def _count_all(self, requests: Sequence[Sequence[Point]]) -> Sequence[int]:
        numbers = [*chain.from_iterable(repeat(number, len(each)) for number, each in enumerate(requests))]
        locations = [*chain.from_iterable(requests)]
        rows = await self._fetch(statements.COUNT_FEATURES_AT, numbers, *_columns(locations))
        found: dict[int, int] = dict(map(tuple, rows))
        return [found.get(number, 0) for number in range(len(requests))]

    async def _few_within(self, rectangle: Rectangle) -> Sequence[Feature]:
        return _features(await self._fetch(statements.FEW_WITHIN, *_corners(rectangle), PAGE + 1))

    async def _ids_within(self, rectangle: Rectangle) -> Sequence[int]:
        hits = await self._fetch(statements.IDS_WITHIN, *_corners(rectangle), SORTED_IDS + 1)
        return array("q", sorted(hit[0] for hit in hits))

    async def _features_by_id(self, ids: Sequence[int]) -> Sequence[Feature]:
        return _features(await self._fetch(statements.FEATURES_BY_ID, ids))

    async def _last_id(self) -> int:
        return int((await self._fetch(statements.LAST_FEATURE))[0][0])

    async def _scan(self, rectangle: Rectangle, after: int) -> tuple[Sequence[Feature], int]:
        end = after + SCAN_WINDOW
        rows = await self._fetch(statements.SCAN_WITHIN, after, end, *_corners(rectangle), PAGE)
        return _features(rows), rows[-1]["id"] if len(rows) == PAGE else end


def _columns(locations: Sequence[Point]) -> tuple[list[int], list[int]]:
    return [each.latitude for each in locations], [each.longitude for each in locations]


def _corners(rectangle: Rectangle) -> tuple[int, int, int, int]:
    return rectangle.west, rectangle.south, rectangle.east, rectangle.north


def _features(rows: Sequence[asyncpg.Record]) -> list[Feature]:
    return [Feature(row[2].decode(), Point(row[0], row[1])) for row in rows]
