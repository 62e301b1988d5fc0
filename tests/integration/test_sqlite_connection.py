"""Units of work on a connection's thread: whole, in order, translated, and over when it is closed."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from routeguide.errors import StorageClosed, StorageError, StorageUnusable
from routeguide.storage.sqlite.connection import DatabaseFile, SqliteConnection, transaction
from tests.support.leaks import nothing_leaks, open_files_in  # noqa: F401  # a fixture: its name is used
from tests.support.wire import DEADLINE


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncGenerator[SqliteConnection, None]:
    opened = await SqliteConnection.open(DatabaseFile(tmp_path / "a.db", timeout=5), prepare, mode="rwc")
    yield opened
    await opened.close()


def prepare(raw: sqlite3.Connection) -> None:
    raw.execute("CREATE TABLE t (a INTEGER NOT NULL)")


def count(raw: sqlite3.Connection) -> int:
    return len(raw.execute("SELECT a FROM t").fetchall())


class Gate:
    """A unit that inserts a row, and holds the thread in the middle of its transaction."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._entered = asyncio.Event()
        self.opened = threading.Event()

    def __call__(self, raw: sqlite3.Connection) -> None:
        with transaction(raw):
            raw.execute("INSERT INTO t VALUES (1)")
            self._loop.call_soon_threadsafe(self._entered.set)
            assert self.opened.wait(5)

    async def under_way(self) -> None:
        async with asyncio.timeout(DEADLINE):
            await self._entered.wait()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, sqlite3.OperationalError])
async def test_any_exception_rolls_the_transaction_back(
    connection: SqliteConnection, error: type[BaseException]
) -> None:
    def fail(raw: sqlite3.Connection) -> None:
        with transaction(raw):
            raw.execute("INSERT INTO t VALUES (1)")
            raise error

    def unit(raw: sqlite3.Connection) -> None:
        with pytest.raises(error):
            fail(raw)
        assert not raw.in_transaction

    await connection.run(unit)
    assert await connection.run(count) == 0


async def test_a_caller_that_is_cancelled_does_not_cut_the_unit_in_two(connection: SqliteConnection) -> None:
    gate = Gate()
    running = asyncio.create_task(connection.run(gate))
    await gate.under_way()
    running.cancel()
    await asyncio.wait([running])
    gate.opened.set()
    assert await connection.run(count) == 1


async def test_closing_waits_for_what_was_given_and_takes_nothing_more(
    connection: SqliteConnection, tmp_path: Path
) -> None:
    gate = Gate()
    running = asyncio.create_task(connection.run(gate))
    await gate.under_way()
    closing = asyncio.create_task(connection.close())
    await asyncio.sleep(0)
    closing.cancel()  # must not make any difference
    await asyncio.wait([closing])
    with pytest.raises(StorageClosed):
        await connection.run(count)
    gate.opened.set()
    await running
    await connection.close()
    assert open_files_in(tmp_path) == []


async def test_errors_are_the_projects_own_with_the_drivers_as_their_cause(
    connection: SqliteConnection,
) -> None:
    with pytest.raises(StorageError, match="the store failed") as failed:
        await connection.run(lambda raw: raw.execute("INSERT INTO t VALUES (NULL)"))
    assert isinstance(failed.value.__cause__, sqlite3.IntegrityError)


async def test_what_cannot_be_prepared_does_not_stay_open(tmp_path: Path) -> None:
    database = DatabaseFile(tmp_path / "missing.db", timeout=5)
    with pytest.raises(StorageUnusable, match=r"missing\.db"):
        await SqliteConnection.open(database, prepare, mode="rw")


async def test_opening_may_be_cancelled_at_any_moment(tmp_path: Path) -> None:
    for turns in range(12):
        database = DatabaseFile(tmp_path / f"{turns}.db", timeout=5)
        opening = asyncio.create_task(SqliteConnection.open(database, prepare, mode="rwc"))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        if not opening.cancelled():
            await opening.result().close()
        assert open_files_in(tmp_path) == []
