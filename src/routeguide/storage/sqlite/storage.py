"""A store in one SQLite file: how its connections are opened, and how they are closed."""

import errno
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from routeguide.storage.base import Retention
from routeguide.storage.database import DatabaseStorage
from routeguide.storage.migrations import Migration, known_migrations
from routeguide.storage.sqlite.connection import DatabaseFile, SqliteConnection, Unit
from routeguide.storage.sqlite.errors import at_opening
from routeguide.storage.sqlite.feature_import import SqliteFeatureImporter
from routeguide.storage.sqlite.features import SqliteFeatureRepository
from routeguide.storage.sqlite.notes import SqliteNoteRepository
from routeguide.storage.sqlite.preparation import (
    prepare_importer,
    prepare_reader,
    prepare_writer,
    read_something,
    take_write_lock,
)


class SqliteStorage(DatabaseStorage):
    """One connection writes, one looks up points, one lists rectangles; each has a thread."""

    features: SqliteFeatureRepository
    notes: SqliteNoteRepository

    def __init__(
        self,
        features: SqliteFeatureRepository,
        notes: SqliteNoteRepository,
        lookups: SqliteConnection,
        writer: SqliteConnection,
        connections: AsyncExitStack,
    ) -> None:
        self.features = features
        self.notes = notes
        self._lookups = lookups
        self._writer = writer
        self._connections = connections

    async def check(self) -> None:
        await self._lookups.run(read_something)
        await self._writer.run(take_write_lock)

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
    prepare = partial(prepare_writer, known=known, auto_migrate=auto_migrate, patience=database.timeout)
    async with AsyncExitStack() as stack:
        # Closed in the opposite order: the writer last, because only it may checkpoint.
        writer = await _open(stack, database, prepare, mode="rwc")
        lookups = await _open(stack, database, prepare_reader, mode="ro")
        pages = await _open(stack, database, prepare_reader, mode="ro")
        connect = partial(SqliteConnection.open, database, prepare_importer, mode="rw")
        features = SqliteFeatureRepository(lookups, pages, SqliteFeatureImporter(connect))
        notes = SqliteNoteRepository(writer, lookups, retention, clock)
        return SqliteStorage(features, notes, lookups, writer, stack.pop_all())


def make_folder(database: Path) -> None:
    """Raises StorageUnusable if `database` cannot be a file."""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        if database.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
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
