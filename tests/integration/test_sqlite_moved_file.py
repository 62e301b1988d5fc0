"""A database file that is deleted, moved or replaced while it is open: nothing is acknowledged any more."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.errors import StorageUnavailable
from routeguide.storage.base import Retention, Storage
from routeguide.storage.sqlite.connection import DatabaseFile
from routeguide.storage.sqlite.storage import open_sqlite
from tests.support.held_statements import HeldStatement
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used

HERE = Point(0, 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "routeguide.db"


async def opened(path: Path) -> Storage:
    return await open_sqlite(DatabaseFile(path, timeout=5), retention=Retention())


@pytest.fixture
async def store(path: Path) -> AsyncGenerator[Storage, None]:
    storage = await opened(path)
    await storage.features.import_all([Feature("here", HERE)])
    yield storage
    await storage.close()


async def replace_by_another(path: Path) -> None:
    other = path.with_name("other.db")
    await (await opened(other)).close()
    other.replace(path)


async def replace_by_a_copy(path: Path) -> None:
    """As a backup is put back."""
    shutil.copy(path, path.with_name("copy.db"))
    path.with_name("copy.db").replace(path)


async def delete(path: Path) -> None:
    path.unlink()


async def lose_the_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("lost"))


CALLS: dict[str, Callable[[Storage], Awaitable[object]]] = {
    "post": lambda store: store.notes.post(RouteNote(HERE, "lost")),
    "check": lambda store: store.check(),
    "find": lambda store: store.features.find(HERE),
    "count_at": lambda store: store.features.count_at([HERE]),
    "within": lambda store: anext(store.features.within(Rectangle.GLOBE)),
}


@pytest.mark.parametrize("lose", [delete, replace_by_another, replace_by_a_copy, lose_the_folder])
async def test_every_call_is_refused(
    store: Storage, path: Path, lose: Callable[[Path], Awaitable[None]]
) -> None:
    await lose(path)
    for call in CALLS.values():
        with pytest.raises(StorageUnavailable) as refused:
            await call(store)
        assert str(path) not in str(refused.value)
        assert isinstance(refused.value.__cause__, FileNotFoundError)


async def test_work_resumes_when_the_file_is_moved_back(store: Storage, path: Path) -> None:
    await store.notes.post(RouteNote(HERE, "before"))
    path.rename(path.with_name("moved.db"))
    with pytest.raises(StorageUnavailable):
        await store.check()
    path.with_name("moved.db").rename(path)
    await store.check()
    assert [note.message for note in await store.notes.post(RouteNote(HERE, "after"))] == ["before"]


async def test_a_note_that_is_being_committed_meanwhile_is_not_acknowledged(
    held: HeldStatement,
    store: Storage,
    path: Path,
) -> None:
    held.hold("COMMIT")
    posting = asyncio.create_task(store.notes.post(RouteNote(HERE, "lost")))
    await held.reached()
    path.unlink()
    held.release()
    with pytest.raises(StorageUnavailable):
        await posting


async def test_an_import_that_is_being_committed_meanwhile_is_not_reported_as_done(
    held: HeldStatement,
    store: Storage,
    path: Path,
) -> None:
    held.hold("COMMIT")
    importing = asyncio.create_task(store.features.import_all([Feature("lost", Point(1, 1))]))
    await held.reached()
    path.unlink()
    held.release()
    with pytest.raises(StorageUnavailable):
        await importing
