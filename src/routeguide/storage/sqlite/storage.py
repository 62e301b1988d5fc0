"""A store in one SQLite file: how its connections are opened, and how they are closed."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from routeguide.errors import StorageUnusable
from routeguide.storage.base import Retention, Storage
from routeguide.storage.migrations import Migration, known_migrations
from routeguide.storage.sqlite.connection import DatabaseFile, SqliteConnection, Unit
from routeguide.storage.sqlite.errors import at_opening
from routeguide.storage.sqlite.feature_import import SqliteFeatureImporter
from routeguide.storage.sqlite.features import SqliteFeatureRepository
from routeguide.storage.sqlite.notes import SqliteNoteRepository
from routeguide.storage.sqlite.schema import applied_migrations, prepare_schema, require_capable_sqlite

_READER_CACHE = "PRAGMA cache_size = -16384"
_IMPORTER_CACHE = "PRAGMA cache_size = -98304"
"""Negative: KiB. An import touches every page of the indexes; the more stay in memory, the faster."""

_LARGEST_IDLE_LOG = "PRAGMA journal_size_limit = 16777216"


class SqliteStorage(Storage):
    """One connection writes, one looks up points, one lists rectangles; each has a thread."""

    features: SqliteFeatureRepository
    notes: SqliteNoteRepository

    def __init__(
        self,
        features: SqliteFeatureRepository,
        notes: SqliteNoteRepository,
        lookups: SqliteConnection,
        connections: AsyncExitStack,
    ) -> None:
        self.features = features
        self.notes = notes
        self._lookups = lookups
        self._connections = connections
        self._closing: asyncio.Task[None] | None = None

    async def check(self) -> None:
        await self._lookups.run(_read_something)

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="close SQLite storage")
        # Shielded, because a closer that is cancelled must not leave threads behind.
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        async with self._connections:
            await self.features.close()
            await self.notes.close()


async def open_sqlite(
    database: DatabaseFile,
    *,
    retention: Retention,
    auto_migrate: bool = False,
    migrations: Sequence[Migration] | None = None,
    clock: Callable[[], float] = time.time,
) -> SqliteStorage:
    """Opens the file `database`, and makes it and its folder where they are missing.

    Args:
        migrations: those that ship with the code, unless given.
        clock: seconds since 1970; tells the age of notes.

    Raises:
        StorageUnusable, SchemaBehind, SchemaAhead, StorageUnavailable, StorageFull: each says what
            to do. Nothing stays open.
    """
    known = known_migrations("sqlite") if migrations is None else migrations
    make_folder(database.path)
    prepare = partial(_prepare_writer, known=known, auto_migrate=auto_migrate)
    async with AsyncExitStack() as stack:
        # Closed in the opposite order: the writer last, because only it may checkpoint.
        writer = await _open(stack, database, prepare, mode="rwc")
        lookups = await _open(stack, database, _prepare_reader, mode="ro")
        pages = await _open(stack, database, _prepare_reader, mode="ro")
        connect = partial(SqliteConnection.open, database, _prepare_importer, mode="rw")
        features = SqliteFeatureRepository(lookups, pages, SqliteFeatureImporter(connect))
        notes = SqliteNoteRepository(writer, lookups, retention, clock)
        return SqliteStorage(features, notes, lookups, stack.pop_all())


def make_folder(database: Path) -> None:
    """Raises StorageUnusable if `database` cannot be a file."""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        if database.is_dir():
            raise IsADirectoryError(21, "it is a directory")
    except OSError as error:
        raise at_opening(error, database) from error


async def _open(
    stack: AsyncExitStack,
    database: DatabaseFile,
    prepare: Unit[None],
    *,
    mode: str,
) -> SqliteConnection:
    connection = await SqliteConnection.open(database, prepare, mode=mode)
    stack.push_async_callback(connection.close)
    return connection


def _prepare_writer(
    connection: sqlite3.Connection, known: Sequence[Migration], *, auto_migrate: bool
) -> None:
    require_capable_sqlite(connection)
    applied_migrations(connection)  # refuses somebody else's database before anything is changed
    _require_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous = FULL")  # NORMAL could lose acknowledged notes on power loss
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(_LARGEST_IDLE_LOG)
    prepare_schema(connection, known, auto_migrate=auto_migrate)
    connection.execute("BEGIN IMMEDIATE")  # a file that cannot be written is found out now, not later
    connection.execute("ROLLBACK")


def _require_write_ahead_log(connection: sqlite3.Connection) -> None:
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchall()[0][0]
    if mode != "wal":
        raise StorageUnusable("the file system has no shared memory for SQLite; use a local disk")


def _prepare_reader(connection: sqlite3.Connection) -> None:
    connection.execute(_READER_CACHE)
    _read_something(connection)


def _prepare_importer(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(_LARGEST_IDLE_LOG)
    connection.execute(_IMPORTER_CACHE)


def _read_something(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT 1 FROM schema_migration LIMIT 1").fetchall()
