"""A SQLite connection on a thread of its own, driven from the event loop.

Crossing to the thread and back costs tens of microseconds, a statement a few. So a *unit*, a plain
function of the `sqlite3.Connection`, crosses as a whole, and that is also what makes cancellation
harmless: a transaction that begins and ends within one unit cannot be cut in two.
"""

import asyncio
import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiosqlite

from routeguide.errors import StorageClosed, StorageUnusable
from routeguide.storage.sqlite.errors import at_opening, at_run_time

Result = TypeVar("Result")
Unit = Callable[[sqlite3.Connection], Result]

_FileIdentity = tuple[int, int]
"""Device and inode, which no other file can have as long as this one is open."""

_CACHED_STATEMENTS = 256
"""Above the number of texts that a connection is ever given, so that each is parsed once."""


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """Which file, and how patiently it is used."""

    path: Path
    timeout: float
    """Seconds that a statement waits for a lock that another connection holds."""


class SqliteConnection:
    """Runs units in the order in which they were given. Open one with `open`."""

    def __init__(self, database: DatabaseFile, mode: str) -> None:
        self._path = database.path.absolute()
        self._worker = _Worker(f"{self._path.as_uri()}?mode={mode}", database.timeout)
        self._file: _FileIdentity | None = None
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, database: DatabaseFile, prepare: Unit[None], *, mode: str) -> "SqliteConnection":
        """A connection for which `prepare` has run.

        Args:
            mode: ``ro``, ``rw``, or ``rwc`` to create the file; a reader in mode ``ro`` never
                checkpoints, which must be left to writers.

        Raises:
            StorageUnusable, StorageUnavailable, StorageFull: written for the operator; nothing
                stays open.
        """
        connection = cls(database, mode)
        try:
            await connection._worker
            await connection._worker.run(partial(connection._prepare, prepare))
        except (sqlite3.Error, OSError, StorageUnusable) as error:
            await connection.close()
            raise at_opening(error, database.path) from error
        except BaseException:
            await connection.close()
            raise
        return connection

    async def run(self, unit: Unit[Result]) -> Result:
        """What `unit` returns. It runs to its end even if the caller is cancelled meanwhile.

        While the file is not in its place, deleted or replaced, StorageUnavailable is raised instead.

        Raises:
            StorageClosed, StorageUnavailable, StorageFull, StorageError
        """
        if self._closing is not None:
            raise StorageClosed("the store is closed")
        try:
            return await self._worker.run(partial(self._run_in_place, unit))
        except (sqlite3.Error, OSError) as error:
            raise at_run_time(error) from error

    def _prepare(self, prepare: Unit[None], connection: sqlite3.Connection) -> None:
        prepare(connection)
        self._file = _identity(self._path)

    def _run_in_place(self, unit: Unit[Result], connection: sqlite3.Connection) -> Result:
        """A file that was deleted while it is open still takes commits, which nobody would find again.

        So after each unit, a commit included, and before anyone hears of it, the file must still be in
        its place. Asking takes three microseconds, a tenth of the way to this thread and back.
        """
        result = unit(connection)
        if _identity(self._path) != self._file:
            raise FileNotFoundError(
                errno.ENOENT, "another file has taken the open one's place", str(self._path)
            )
        return result

    async def close(self) -> None:
        """Lets the units that were given finish, rolls back what is open, ends the thread. Idempotent."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._worker.finish(), name="close SQLite connection")
        # Shielded, because a closer that is cancelled must not leave a thread behind.
        await asyncio.shield(self._closing)


class _Worker(aiosqlite.Connection):
    """aiosqlite's connection, which may be given a whole function, and whose thread can be joined."""

    def __init__(self, uri: str, timeout: float) -> None:
        super().__init__(lambda: self._connect_to(uri, timeout), iter_chunk_size=1)
        self._opened: sqlite3.Connection | None = None

    async def run(self, unit: Unit[Result]) -> Result:
        result: Result = await self._execute(unit, self._conn)  # type: ignore[no-untyped-call]  # has no annotations
        return result

    async def finish(self) -> None:
        await self.close()
        self._thread.join()  # has been told to stop and has nothing left to do
        if self._opened is not None:
            self._opened.close()  # aiosqlite forgets it if opening is cancelled

    def _connect_to(self, uri: str, timeout: float) -> sqlite3.Connection:
        self._opened = sqlite3.connect(
            uri,
            uri=True,
            timeout=timeout,
            isolation_level=None,
            cached_statements=_CACHED_STATEMENTS,
            check_same_thread=False,
        )
        return self._opened


def _identity(path: Path) -> _FileIdentity:
    status = path.stat()
    return status.st_dev, status.st_ino


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Takes the write lock at once, commits at the end, and rolls back on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite may have rolled back by itself, when the disk is full for example.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
