"""What goes wrong while a SQLite store is open: each call fails with its own error, and work resumes."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.errors import StorageClosed, StorageError, StorageFull, StorageUnavailable
from routeguide.storage.base import Retention, Storage
from routeguide.storage.sqlite.connection import DatabaseFile
from routeguide.storage.sqlite.storage import open_sqlite
from tests.support.disks import remount, small_disk
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used
from tests.support.sqlite_processes import locked
from tests.support.wire import DEADLINE

HERE = Point(0, 0)
SLACK = 4.0
"""Seconds by which a busy machine may be late; twenty batches one after the other would take ten."""
FEATURES = [Feature(f"number {each}", Point(each, each)) for each in range(2_000)]


@asynccontextmanager
async def store_at(path: Path, patience: float = 5) -> AsyncGenerator[Storage, None]:
    store = await open_sqlite(DatabaseFile(path, patience), retention=Retention(per_location=1_000))
    try:
        yield store
    finally:
        await store.close()


async def test_while_another_process_holds_the_lock_reads_go_on_and_writes_are_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "routeguide.db"
    async with store_at(path, patience=0.2) as store:
        await store.features.import_all(FEATURES)
        with locked(path):
            with pytest.raises(StorageUnavailable) as refused:
                await store.notes.post(RouteNote(HERE, "lost"))
            with pytest.raises(StorageUnavailable):
                await store.features.import_all([Feature("lost", Point(-1, -1))])
            assert await store.features.find(HERE) == FEATURES[0]
            with pytest.raises(StorageUnavailable):
                await store.check()
        await store.check()
        _assert_tells_clients_nothing(refused.value, tmp_path)
        assert list(await store.notes.post(RouteNote(HERE, "kept"))) == []
        assert await store.features.count() == len(FEATURES)


async def test_a_crowd_that_waits_for_a_lock_is_refused_within_twice_the_timeout(tmp_path: Path) -> None:
    patience = 0.5
    path = tmp_path / "routeguide.db"
    async with store_at(path, patience) as store:
        with locked(path):
            posts = [asyncio.ensure_future(_timed_post(store, each)) for each in range(640)]
            await asyncio.wait(posts, timeout=patience / 2)
            posts += [asyncio.ensure_future(_timed_post(store, each)) for each in range(640, 1_280)]
            waits = await asyncio.gather(*posts)
        assert max(waits) < 2 * patience + SLACK
        assert min(waits) > patience / 2
        assert list(await store.notes.post(RouteNote(HERE, "welcome again"))) == []


async def _timed_post(store: Storage, number: int) -> float:
    """The seconds after which the note was refused."""
    started = time.monotonic()
    with pytest.raises(StorageUnavailable):
        await store.notes.post(RouteNote(HERE, str(number)))
    return time.monotonic() - started


async def test_a_short_lock_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "routeguide.db"
    async with store_at(path, patience=20) as store:
        with locked(path):
            post = asyncio.ensure_future(store.notes.post(RouteNote(HERE, "patient")))
            await asyncio.wait([post], timeout=0.1)
            assert not post.done()
        assert list(await post) == []


async def test_closing_does_not_wait_for_an_endless_import(tmp_path: Path) -> None:
    for turns in range(1, 16):
        async with store_at(tmp_path / "routeguide.db") as store:
            endless = (Feature("", Point(each % 1_000, each)) for each in count())
            importing = asyncio.create_task(store.features.import_all(endless))
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(DEADLINE):
                await store.close()
                await asyncio.wait([importing])
        assert isinstance(importing.exception(), StorageClosed)
    async with store_at(tmp_path / "routeguide.db") as store:
        assert await store.features.count() == 0


async def test_a_full_disk_refuses_notes_keeps_what_was_acknowledged_and_goes_on_with_room(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", kibibytes=1024) as disk:
        async with store_at(disk / "routeguide.db") as store:
            posted = await _post_until_it_fails(store)
            assert posted > 10
            assert await store.notes.count() == posted
            with pytest.raises(StorageFull):
                await store.features.import_all(Feature("x" * 1000, Point(1, each)) for each in range(5_000))
            assert await store.features.count() == 0
            remount(disk, "size=8m")
            replies = await store.notes.post(RouteNote(HERE, "there is room again"))
            assert [int(note.message[:4]) for note in replies] == list(range(posted))


async def _post_until_it_fails(store: Storage) -> int:
    for number in range(1_000):
        try:
            await store.notes.post(RouteNote(HERE, f"{number:04}" + "x" * 4_000))
        except StorageFull:
            return number
    raise AssertionError("the disk never filled up")


READS: dict[str, Callable[[Storage], Awaitable[object]]] = {
    "find": lambda store: store.features.find(Point(1_500, 1_500)),
    "within": lambda store: anext(store.features.within(Rectangle.GLOBE)),
    "count_at": lambda store: store.features.count_at([each.location for each in FEATURES[:1000]]),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_damage_that_is_met_by_a_read_is_the_projects_own_error(
    tmp_path: Path, read: Callable[[Storage], Awaitable[object]]
) -> None:
    path = tmp_path / "routeguide.db"
    async with store_at(path) as store:
        await store.features.import_all(FEATURES)
    _damage_the_roots_of_features(path)
    async with store_at(path) as store:
        with pytest.raises(StorageUnavailable) as refused:
            await read(store)
        _assert_tells_clients_nothing(refused.value, tmp_path)


def _damage_the_roots_of_features(path: Path) -> None:
    """Overwrites the first page of each table and index of features: the store opens but cannot read them."""
    connection = sqlite3.connect(path)
    roots = [
        row[0]
        for row in connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE tbl_name LIKE 'feature%' AND rootpage > 0"
        )
    ]
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with path.open("r+b") as file:
        for root in roots:
            file.seek((root - 1) * page_size)
            file.write(b"\xaa" * page_size)


def _assert_tells_clients_nothing(error: StorageError, folder: Path) -> None:
    assert str(folder) not in str(error)
    assert "sqlite" not in str(error).lower()
    assert isinstance(error.__cause__, sqlite3.Error)
