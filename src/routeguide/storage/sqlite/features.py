"""Features in SQLite: point lookups gathered into batches, rectangles in pages."""

import sqlite3
from array import array
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from functools import partial

from routeguide.domain.models import Feature, Point, Rectangle
from routeguide.storage.base import FeatureRepository, ImportResult
from routeguide.storage.coalescing import Coalescer
from routeguide.storage.sqlite import statements
from routeguide.storage.sqlite.connection import SqliteConnection
from routeguide.storage.sqlite.feature_import import SqliteFeatureImporter

_LOOKUP_BATCH = 64
"""Callers whose points are looked up in one statement."""

_COUNT_BATCH = 1024
"""Points that are counted in one statement: well below the 32 766 parameters that SQLite takes."""

_COUNT_TOGETHER = 16
"""Callers whose points are counted in one crossing, a statement for each: some milliseconds."""

_PAGE = 512
"""Features in a page."""

_SORTED_IDS = 10_000
"""Ids that a reader may hold; a larger result is found by walking the table in its order instead."""

_SCAN_WINDOW = 16_384
"""Ids that one hop of such a walk looks at: some milliseconds."""

_Row = tuple[int, int, str]


class SqliteFeatureRepository(FeatureRepository):
    """Reads through two connections, so that long lists do not hold up lookups."""

    def __init__(
        self, lookups: SqliteConnection, pages: SqliteConnection, importer: SqliteFeatureImporter
    ) -> None:
        self._lookups = lookups
        self._pages = pages
        self._importer = importer
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
        few = await self._pages.run(partial(_few_within, rectangle=rectangle))
        if len(few) <= _PAGE:
            if few:
                yield few
            return
        ids = await self._pages.run(partial(_ids_within, rectangle=rectangle))
        pages = self._by_ids(ids) if len(ids) <= _SORTED_IDS else self._by_scan(rectangle)
        async with aclosing(pages):
            async for page in pages:
                yield page

    async def count(self) -> int:
        return await self._lookups.run(_count)

    async def import_all(self, features: Iterable[Feature]) -> ImportResult:
        return await self._importer.import_all(features)

    async def close(self) -> None:
        """Refuses whoever waits; the connections belong to whoever opened them."""
        await self._finder.close()
        await self._counter.close()
        await self._importer.close()

    async def _find_all(self, locations: Sequence[Point]) -> Sequence[Feature | None]:
        return await self._lookups.run(partial(_find_all, locations=locations))

    async def _count_all(self, requests: Sequence[Sequence[Point]]) -> Sequence[int]:
        return await self._lookups.run(
            lambda connection: [_count_at(connection, locations) for locations in requests]
        )

    async def _by_ids(self, ids: Sequence[int]) -> AsyncGenerator[Sequence[Feature], None]:
        for start in range(0, len(ids), _PAGE):
            yield await self._pages.run(partial(_features_by_id, ids=ids[start : start + _PAGE]))

    async def _by_scan(self, rectangle: Rectangle) -> AsyncGenerator[Sequence[Feature], None]:
        last = await self._pages.run(_last_id)
        after = 0
        while after < last:
            page, after = await self._pages.run(partial(_scan, rectangle=rectangle, after=after))
            if page:
                yield page


def _find_all(connection: sqlite3.Connection, locations: Sequence[Point]) -> list[Feature | None]:
    text = statements.find_features(statements.padded_rows(len(locations)))
    rows = connection.execute(text, statements.located(locations)).fetchall()
    names = {(latitude, longitude): name for latitude, longitude, name in rows}
    found = [names.get((location.latitude, location.longitude)) for location in locations]
    return [
        None if name is None else Feature(name, location)
        for name, location in zip(found, locations, strict=True)
    ]


def _count_at(connection: sqlite3.Connection, locations: Sequence[Point]) -> int:
    text = statements.count_features_at(statements.padded_rows(len(locations)))
    return _single(connection.execute(text, statements.located(locations)))


def _count(connection: sqlite3.Connection) -> int:
    return _single(connection.execute(statements.COUNT_FEATURES))


def _last_id(connection: sqlite3.Connection) -> int:
    return _single(connection.execute(statements.LAST_FEATURE))


def _few_within(connection: sqlite3.Connection, rectangle: Rectangle) -> list[Feature]:
    """A page at most, and one feature more if there are further pages."""
    parameters = (*statements.inside_index(rectangle), _PAGE + 1)
    return _features(connection.execute(statements.FEW_WITHIN, parameters).fetchall())


def _ids_within(connection: sqlite3.Connection, rectangle: Rectangle) -> Sequence[int]:
    """The sorted ids, or one more than `_SORTED_IDS` of them in no order."""
    parameters = (*statements.inside_index(rectangle), _SORTED_IDS + 1)
    ids = sorted(row[0] for row in connection.execute(statements.IDS_WITHIN, parameters))
    return array("q", ids)


def _features_by_id(connection: sqlite3.Connection, ids: Sequence[int]) -> list[Feature]:
    padded = [*ids, *[None] * (_PAGE - len(ids))]
    return _features(connection.execute(statements.features_by_id(_PAGE), padded).fetchall())


def _scan(connection: sqlite3.Connection, rectangle: Rectangle, after: int) -> tuple[list[Feature], int]:
    """The features of one window, and the id after which the next one begins."""
    end = after + _SCAN_WINDOW
    bounds = (rectangle.south, rectangle.north, rectangle.west, rectangle.east)
    rows = connection.execute(statements.SCAN_WITHIN, (after, end, *bounds, _PAGE)).fetchall()
    reached = rows[-1][3] if len(rows) == _PAGE else end
    return _features([row[:3] for row in rows]), reached


def _features(rows: Sequence[_Row]) -> list[Feature]:
    return [Feature(name, Point(latitude, longitude)) for latitude, longitude, name in rows]


def _single(cursor: sqlite3.Cursor) -> int:
    return int(cursor.fetchall()[0][0])
