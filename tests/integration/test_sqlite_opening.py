"""Files that cannot be opened: each error says what to do, quickly, and nothing stays open."""

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from routeguide.domain.models import Feature, Point
from routeguide.errors import StorageFull, StorageUnavailable, StorageUnusable
from routeguide.storage import open_storage
from routeguide.storage.base import Retention
from tests.support.disks import remount, small_disk
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used
from tests.support.sqlite_processes import locked


async def opens(path: Path, patience: float = 0.2) -> None:
    async with open_storage(f"sqlite:///{path}", retention=Retention(), timeout=patience) as store:
        await store.features.import_all([Feature("usable", Point(0, 0))])
        assert await store.features.find(Point(0, 0)) is not None


def run(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "name", ["a b.db", "100%.db", "what?.db", "c#.db", "Zürich 🏔️.db", "%41.db", "a&b=c.db"]
)
async def test_makes_the_folder_and_the_file_whatever_their_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new" / name / name
    await opens(path)
    assert path.is_file()


async def test_a_relative_path_starts_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await opens(Path("data/routeguide.db"))
    assert (tmp_path / "data/routeguide.db").is_file()


async def test_an_empty_file_is_an_empty_database(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    await opens(tmp_path / "empty.db")


async def test_an_unknown_kind_of_store() -> None:
    with pytest.raises(StorageUnusable, match="must begin with"):
        async with open_storage("mysql://localhost", retention=Retention(), timeout=1):
            pass


async def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StorageUnusable, match="Is a directory"):
        await opens(tmp_path)


async def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnusable, match="cannot be opened for writing"):
        await opens(tmp_path / "file" / "routeguide.db")


async def test_no_database_at_all(tmp_path: Path) -> None:
    path = tmp_path / "shopping-list.txt"
    path.write_text("milk, bread\n" * 1000)
    with pytest.raises(StorageUnusable, match="no SQLite database"):
        await opens(path)
    assert path.read_text() == "milk, bread\n" * 1000


async def test_a_damaged_database(tmp_path: Path) -> None:
    path = tmp_path / "routeguide.db"
    await opens(path)
    with path.open("r+b") as file:
        file.seek(100)  # after the header, which alone still looks fine
        file.write(b"\xff" * 4096)
    with pytest.raises(StorageUnusable, match=r"is damaged; restore it"):
        await opens(path)


@pytest.mark.parametrize(
    "table",
    [
        "bookmark (url TEXT)",
        "schema_migration (version INTEGER)",
        "schema_migration (name TEXT, checksum INTEGER, applied_at TEXT)",
    ],
)
async def test_the_database_of_another_program_is_left_alone(tmp_path: Path, table: str) -> None:
    path = tmp_path / "bookmarks.db"
    run(path, f"CREATE TABLE {table}")
    before = path.read_bytes()
    with pytest.raises(StorageUnusable, match=r"bookmarks\.db: it is the database of another program"):
        await opens(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["bookmarks.db"]  # noqa: PTH208  # not a Path, which would seem to block


async def test_a_record_that_nobody_can_read(tmp_path: Path) -> None:
    path = tmp_path / "routeguide.db"
    await opens(path)
    run(path, "UPDATE schema_migration SET applied_at = 'yesterday'")
    with pytest.raises(
        StorageUnusable, match=r"routeguide\.db: the record of migration 0001\.\S+ is damaged"
    ):
        await opens(path)


@pytest.mark.parametrize(
    "statements",
    [("BEGIN IMMEDIATE",), ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN IMMEDIATE", "COMMIT")],
    ids=["by a writer", "by one that wants it alone"],
)
async def test_locked_for_longer_than_anyone_waits(tmp_path: Path, statements: tuple[str, ...]) -> None:
    path = tmp_path / "routeguide.db"
    await opens(path)
    with locked(path, *statements):
        started = time.monotonic()
        with pytest.raises(StorageUnavailable, match="locked by another process"):
            await opens(path)
        assert time.monotonic() - started < 15, "it waits for its patience, not for ever"
    await opens(path, patience=5)


async def test_another_that_is_just_making_the_file_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "routeguide.db"
    with locked(path):  # not yet in WAL mode: SQLite refuses to wait for the switch by itself
        opening = asyncio.create_task(opens(path, patience=20))
        await asyncio.wait([opening], timeout=0.2)
        assert not opening.done()
    await opening


async def test_a_read_only_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kibibytes=1024) as disk:
        await opens(disk / "routeguide.db")
        remount(disk, "ro")
        with pytest.raises(StorageUnusable, match="cannot be opened for writing"):
            await opens(disk / "routeguide.db")
        with pytest.raises(StorageUnusable, match="cannot be opened for writing"):
            await opens(disk / "another" / "routeguide.db")


@pytest.mark.parametrize("kibibytes", [4, 8, 16, 24, 32, 36, 64])
async def test_a_full_disk(tmp_path: Path, kibibytes: int) -> None:
    """Of the file, its log and its shared memory each may be the one that has no room."""
    with (
        small_disk(tmp_path / "disk", kibibytes=kibibytes) as disk,
        pytest.raises(StorageFull, match=r"routeguide\.db cannot grow: the disk is full"),
    ):
        await opens(disk / "routeguide.db")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others can enter; pytest's own are closed to everyone else."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def test_a_file_that_belongs_to_somebody_else(open_folder: Path) -> None:
    path = open_folder / "routeguide.db"
    await opens(path)
    path.chmod(0o444)
    open_folder.chmod(0o555)
    with without_privileges(), pytest.raises(StorageUnusable, match="cannot be opened for writing"):
        await opens(path)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Permissions do not bind root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # nobody
    try:
        yield
    finally:
        os.seteuid(user)
