"""Callers that leave, and stores that are closed, while SQLite is held in the middle of a statement."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.errors import StorageClosed
from routeguide.storage.base import Retention, Storage
from routeguide.storage.sqlite.connection import DatabaseFile
from routeguide.storage.sqlite.storage import open_sqlite
from tests.support.held_statements import HeldStatement
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used

HERE = Point(0, 0)
MANY = [Feature("", Point(1, each)) for each in range(2_500)]

IMPORT = {
    "BEGIN IMMEDIATE": 0,
    "INSERT INTO feature ": 0,
    "INSERT INTO feature_index ": 0,
    "COMMIT": len(MANY),
    "PRAGMA wal_checkpoint": len(MANY),
}
"""The statements of an import, and how many features it leaves when it is interrupted there."""


async def opened(folder: Path) -> Storage:
    return await open_sqlite(DatabaseFile(folder / "routeguide.db", timeout=5), retention=Retention())


@pytest.fixture
async def store(held: HeldStatement, tmp_path: Path) -> AsyncGenerator[Storage, None]:
    storage = await opened(tmp_path)
    yield storage
    await storage.close()


async def cancelled_at(held: HeldStatement, statement: str, call: Coroutine[Any, Any, object]) -> None:
    held.hold(statement)
    task = asyncio.create_task(call)
    await held.reached()
    task.cancel()
    await asyncio.sleep(0)
    held.release()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize(("statement", "left"), IMPORT.items())
async def test_an_import_that_is_cancelled(
    held: HeldStatement, store: Storage, statement: str, left: int
) -> None:
    await cancelled_at(held, statement, store.features.import_all(MANY))
    assert await store.features.count() == left
    assert list(await store.notes.post(RouteNote(HERE, "no lock is left"))) == []


@pytest.mark.parametrize(("statement", "left"), IMPORT.items())
async def test_an_import_whose_store_is_closed(
    held: HeldStatement, store: Storage, tmp_path: Path, statement: str, left: int
) -> None:
    held.hold(statement)
    importing = asyncio.create_task(store.features.import_all(MANY))
    await held.reached()
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    held.release()
    await closing
    await asyncio.wait([importing])
    assert isinstance(importing.exception(), StorageClosed) == (left == 0)
    reopened = await opened(tmp_path)
    assert await reopened.features.count() == left
    await reopened.close()


@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "INSERT INTO note ", "COMMIT"])
async def test_a_note_whose_writer_leaves_is_committed_whole(
    held: HeldStatement, store: Storage, statement: str
) -> None:
    await cancelled_at(held, statement, store.notes.post(RouteNote(HERE, "left behind")))
    assert [each.message for each in await store.notes.post(RouteNote(HERE, "?"))] == ["left behind"]
    assert await store.notes.count() == 2


async def first_page(store: Storage) -> object:
    return await anext(store.features.within(Rectangle.GLOBE))


READS: dict[str, Callable[[Storage], Coroutine[Any, Any, object]]] = {
    "WITH wanted (latitude, longitude) AS": lambda store: store.features.find(HERE),
    "SELECT count(*) FROM feature": lambda store: store.features.count(),
    "SELECT kept FROM note_count": lambda store: store.notes.count(),
    "SELECT 1 FROM schema_migration": lambda store: store.check(),
    "WITH hit AS": first_page,
    "SELECT id FROM feature_index": first_page,
    "SELECT latitude, longitude, name FROM feature WHERE id IN": first_page,
}


@pytest.mark.parametrize("statement", READS)
async def test_a_reader_that_leaves(held: HeldStatement, store: Storage, statement: str) -> None:
    await store.features.import_all(MANY)
    await cancelled_at(held, statement, READS[statement](store))
    for read in READS.values():
        await read(store)
