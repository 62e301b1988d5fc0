"""Features in SQLite: the statements, and the connection and thread that each runs on."""

import sqlite3
from array import array
from collections.abc import Sequence
from functools import partial

from routeguide.domain.models import Feature, Point, Rectangle
from routeguide.storage.database import (
    PAGE,
    SCAN_WINDOW,
    SORTED_IDS,
    DatabaseFeatures,
    FeatureImporter,
    features_at,
)
from routeguide.storage.sqlite import statements
from routeguide.storage.sqlite.connection import SqliteConnection

_LOOKUP_BATCH = 64
"""Callers whose points are looked up in one statement."""

_Row = tuple[int, int, str]


class SqliteFeatureRepository(DatabaseFeatures):
    """Reads through two connections, so that long lists do not hold up lookups."""

    def __init__(self, lookups: SqliteConnection, pages: SqliteConnection, importer: FeatureImporter) -> None:
        super().__init__(importer, lookup_batch=_LOOKUP_BATCH)
        self._lookups = lookups
        self._pages = pages

    async def count(self) -> int:
        return await self._lookups.run(_count)

    async def _find_all(self, locations: Sequence[Point]) -> Sequence[Feature | None]:
        return await self._lookups.run(partial(_find_all, locations=locations))

    async def _count_all(self, requests: Sequence[Sequence[Point]]) -> Sequence[int]:
        return await self._lookups.run(
            lambda connection: [_count_at(connection, locations) for locations in requests]
        )

    async def _few_within(self, rectangle: Rectangle) -> Sequence[Feature]:
        return await self._pages.run(partial(_few_within, rectangle=rectangle))

    async def _ids_within(self, rectangle: Rectangle) -> Sequence[int]:
        return await self._pages.run(partial(_ids_within, rectangle=rectangle))

    async def _features_by_id(self, ids: Sequence[int]) -> Sequence[Feature]:
        return await self._pages.run(partial(_features_by_id, ids=ids))

    async def _last_id(self) -> int:
        return await self._pages.run(_last_id)

    async def _scan(self, rectangle: Rectangle, after: int) -> tuple[Sequence[Feature], int]:
        return await self._pages.run(partial(_scan, rectangle=rectangle, after=after))


def _find_all(connection: sqlite3.Connection, locations: Sequence[Point]) -> list[Feature | None]:
    text = statements.find_features(statements.padded_rows(len(locations)))
    rows = connection.execute(text, statements.located(locations)).fetchall()
    names = {(latitude, longitude): name for latitude, longitude, name in rows}
    return features_at(locations, names)


def _count_at(connection: sqlite3.Connection, locations: Sequence[Point]) -> int:
    text = statements.count_features_at(statements.padded_rows(len(locations)))
    return _single(connection.execute(text, statements.located(locations)))


def _count(connection: sqlite3.Connection) -> int:
    return _single(connection.execute(statements.COUNT_FEATURES))


def _last_id(connection: sqlite3.Connection) -> int:
    return _single(connection.execute(statements.LAST_FEATURE))


def _few_within(connection: sqlite3.Connection, rectangle: Rectangle) -> list[Feature]:
    parameters = (*statements.inside_index(rectangle), PAGE + 1)
    return _features(connection.execute(statements.FEW_WITHIN, parameters).fetchall())


def _ids_within(connection: sqlite3.Connection, rectangle: Rectangle) -> Sequence[int]:
    parameters = (*statements.inside_index(rectangle), SORTED_IDS + 1)
    ids = sorted(row[0] for row in connection.execute(statements.IDS_WITHIN, parameters))
    return array("q", ids)


def _features_by_id(connection: sqlite3.Connection, ids: Sequence[int]) -> list[Feature]:
    padded = [*ids, *[None] * (PAGE - len(ids))]
    return _features(connection.execute(statements.features_by_id(PAGE), padded).fetchall())


def _scan(connection: sqlite3.Connection, rectangle: Rectangle, after: int) -> tuple[list[Feature], int]:
    end = after + SCAN_WINDOW
    bounds = (rectangle.south, rectangle.north, rectangle.west, rectangle.east)
    rows = connection.execute(statements.SCAN_WITHIN, (after, end, *bounds, PAGE)).fetchall()
    reached = rows[-1][3] if len(rows) == PAGE else end
    return _features([row[:3] for row in rows]), reached


def _features(rows: Sequence[_Row]) -> list[Feature]:
    return [Feature(name, Point(latitude, longitude)) for latitude, longitude, name in rows]


def _single(cursor: sqlite3.Cursor) -> int:
    return int(cursor.fetchall()[0][0])
