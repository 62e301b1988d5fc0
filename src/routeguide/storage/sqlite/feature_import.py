"""The import of features: one transaction, in chunks, on a connection of its own.

A connection of its own makes undoing simple: closing it rolls back, whatever went wrong. Notes that are
posted meanwhile wait for the lock exactly as they would if another process were importing.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import islice

from routeguide.domain.models import Feature
from routeguide.errors import StorageClosed, StorageError
from routeguide.storage.base import ImportResult
from routeguide.storage.database import FeatureImporter
from routeguide.storage.sqlite import statements
from routeguide.storage.sqlite.connection import SqliteConnection

_CHUNK = 1000
"""Features in one statement. Three parameters each; SQLite takes 32 766."""


class SqliteFeatureImporter(FeatureImporter):
    """Imports through connections that `connect` opens, and closes each after its import."""

    def __init__(self, connect: Callable[[], Awaitable[SqliteConnection]]) -> None:
        self._connect = connect
        self._open: set[SqliteConnection] = set()
        self._under_way: set[asyncio.Event] = set()
        """One for each import, set at its end."""
        self._closed = False

    async def import_all(self, features: Iterable[Feature], *, into_empty: bool = False) -> ImportResult:
        async with self._connection() as connection:
            await connection.run(_begin)
            if into_empty and await connection.run(_last_id) > 0:
                return ImportResult()
            result = await _write_all(connection, features)
            await connection.run(_commit)
            # The import is committed: a checkpoint that fails or finds readers is made up for later.
            with suppress(StorageError):
                await connection.run(_truncate_log)
        return result

    async def close(self) -> None:
        self._closed = True
        for connection in tuple(self._open):
            await connection.close()
        for ended in tuple(self._under_way):
            await ended.wait()

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[SqliteConnection, None]:
        self._refuse_if_closed()
        ended = asyncio.Event()
        self._under_way.add(ended)
        try:
            connection = await self._connect()
            self._open.add(connection)
            try:
                self._refuse_if_closed()  # it may have been closed while this one was being opened
                yield connection
            finally:
                self._open.discard(connection)
                await connection.close()
        finally:
            self._under_way.discard(ended)
            ended.set()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StorageClosed("the store is closed")


async def _write_all(connection: SqliteConnection, features: Iterable[Feature]) -> ImportResult:
    """Writes chunk by chunk; while one is being written, the next one is read."""
    result = ImportResult()
    writing: asyncio.Task[ImportResult] | None = None
    try:
        for chunk in _chunks(features):
            if writing is not None:
                result = _sum(result, await writing)
            writing = asyncio.create_task(connection.run(partial(_write, chunk=chunk)))
            await asyncio.sleep(0)  # lets it set out before the next chunk is read
        return result if writing is None else _sum(result, await writing)
    finally:
        if writing is not None:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


def _chunks(features: Iterable[Feature]) -> Iterator[Sequence[Feature]]:
    iterator = iter(features)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")


def _write(connection: sqlite3.Connection, chunk: Sequence[Feature]) -> ImportResult:
    values = [
        value
        for feature in chunk
        for value in (feature.location.latitude, feature.location.longitude, feature.name)
    ]
    before = _last_id(connection)
    changed = connection.execute(statements.upsert_features(len(chunk)), values).rowcount
    connection.execute(statements.INDEX_FEATURES_AFTER, (before,))
    # Ids have no gaps: each is the one after the largest, and features are never deleted.
    added = _last_id(connection) - before
    return ImportResult(added=added, renamed=changed - added, unchanged=len(chunk) - changed)


def _last_id(connection: sqlite3.Connection) -> int:
    return int(connection.execute(statements.LAST_FEATURE).fetchall()[0][0])


def _commit(connection: sqlite3.Connection) -> None:
    connection.execute("COMMIT")


def _truncate_log(connection: sqlite3.Connection) -> None:
    """Otherwise the log would keep the size that the largest import gave it."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _sum(one: ImportResult, other: ImportResult) -> ImportResult:
    return ImportResult(one.added + other.added, one.renamed + other.renamed, one.unchanged + other.unchanged)
