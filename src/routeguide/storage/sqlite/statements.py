"""Every statement that features and notes need. Values travel as parameters, never in the text.

Texts that take several rows are made once per number of rows; SQLite parses each once per connection.
"""

from collections.abc import Collection, Mapping
from functools import cache

from routeguide.domain.models import Point, Rectangle

Parameters = list[int | str | None]

COUNT_FEATURES = "SELECT count(*) FROM feature"
LAST_FEATURE = "SELECT coalesce(max(id), 0) FROM feature"

_INSIDE_INDEX = "north >= ? AND south <= ? AND east >= ? AND west <= ?"

FEW_WITHIN = f"""
WITH hit AS MATERIALIZED (SELECT id FROM feature_index WHERE {_INSIDE_INDEX} LIMIT ?)
SELECT feature.latitude, feature.longitude, feature.name
FROM hit CROSS JOIN feature USING (id) ORDER BY feature.id
"""  # noqa: S608  # made of constants
"""CROSS JOIN fixes the order of the loops: the planner has no statistics to find it by itself."""

IDS_WITHIN = f"SELECT id FROM feature_index WHERE {_INSIDE_INDEX} LIMIT ?"  # noqa: S608  # made of constants

SCAN_WITHIN = """
SELECT latitude, longitude, name, id FROM feature
WHERE id > ? AND id <= ? AND latitude BETWEEN ? AND ? AND longitude BETWEEN ? AND ?
ORDER BY id LIMIT ?
"""

INDEX_FEATURES_AFTER = """
INSERT INTO feature_index (id, south, north, west, east)
SELECT id, latitude, latitude, longitude, longitude FROM feature WHERE id > ?
"""

COUNT_NOTES = "SELECT kept FROM note_count"

NEWEST_NOTE = "SELECT coalesce(max(id), 0) FROM note"
OLDEST_NOTE = "SELECT coalesce(min(id), 0) FROM note"

DATA_VERSION = "PRAGMA data_version"

DROP_OLD_AT = """
DELETE FROM note WHERE latitude = ? AND longitude = ? AND id <= (
  SELECT id FROM note WHERE latitude = ? AND longitude = ? ORDER BY id DESC LIMIT 1 OFFSET ?
)
"""

DROP_OLDEST = "DELETE FROM note WHERE id IN (SELECT id FROM note ORDER BY id LIMIT ?)"

DROP_EXPIRED = """
DELETE FROM note WHERE id IN (
  SELECT id FROM (SELECT id, stored_at FROM note ORDER BY id LIMIT ?) WHERE stored_at < ?
)
"""
"""Looks at the oldest few only: they expire first, unless the clock was set back."""


@cache
def find_features(rows: int) -> str:
    return f"""
    WITH wanted (latitude, longitude) AS (VALUES {_tuples(rows, 2)})
    SELECT feature.latitude, feature.longitude, feature.name
    FROM wanted CROSS JOIN feature USING (latitude, longitude)
    """  # noqa: S608  # placeholders only


@cache
def count_features_at(rows: int) -> str:
    return f"""
    WITH wanted (latitude, longitude) AS (VALUES {_tuples(rows, 2)})
    SELECT count(*) FROM wanted CROSS JOIN feature USING (latitude, longitude)
    """  # noqa: S608  # placeholders only


@cache
def features_by_id(rows: int) -> str:
    return f"""
    SELECT latitude, longitude, name FROM feature WHERE id IN {_tuples(1, rows)} ORDER BY id
    """  # noqa: S608  # placeholders only


@cache
def upsert_features(rows: int) -> str:
    return f"""
    INSERT INTO feature (latitude, longitude, name) VALUES {_tuples(rows, 3)}
    ON CONFLICT (latitude, longitude) DO UPDATE SET name = excluded.name WHERE name <> excluded.name
    """  # noqa: S608  # placeholders only


@cache
def notes_at(rows: int) -> str:
    return f"""
    WITH wanted (latitude, longitude) AS (VALUES {_tuples(rows, 2)})
    SELECT note.latitude, note.longitude, note.id, note.stored_at, note.message
    FROM wanted CROSS JOIN note USING (latitude, longitude)
    """  # noqa: S608  # placeholders only


@cache
def notes_beyond(rows: int) -> str:
    return f"""
    WITH wanted (latitude, longitude, known) AS (VALUES {_tuples(rows, 3)})
    SELECT note.latitude, note.longitude, note.id, note.stored_at, note.message
    FROM wanted CROSS JOIN note USING (latitude, longitude) WHERE note.id > wanted.known
    """  # noqa: S608  # placeholders only


@cache
def insert_notes(rows: int) -> str:
    return f"INSERT INTO note (latitude, longitude, message, stored_at) VALUES {_tuples(rows, 4)}"  # noqa: S608  # placeholders only


def padded_rows(count: int) -> int:
    """The power of two at or above `count`: it keeps the number of different texts small."""
    return 1 << (count - 1).bit_length()


def located(points: Collection[Point]) -> Parameters:
    """Two parameters for each of `points`, filled up to `padded_rows` with NULL, which nothing equals."""
    values: Parameters = [value for point in points for value in (point.latitude, point.longitude)]
    return values + [None] * (2 * (padded_rows(len(points)) - len(points)))


def located_beyond(cursors: Mapping[Point, int]) -> Parameters:
    """As `located`, with the number of the last note that is known at each location."""
    values: Parameters = [
        value
        for location, number in cursors.items()
        for value in (location.latitude, location.longitude, number)
    ]
    return values + [None] * (3 * (padded_rows(len(cursors)) - len(cursors)))


def inside_index(rectangle: Rectangle) -> tuple[int, int, int, int]:
    """The parameters of a search of the index."""
    return rectangle.south, rectangle.north, rectangle.west, rectangle.east


def _tuples(rows: int, columns: int) -> str:
    return ", ".join([f"({', '.join('?' * columns)})"] * rows)
