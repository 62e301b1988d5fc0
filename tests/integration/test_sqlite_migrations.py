"""Migrations on real files: from old to new with data in it, all or nothing, one process at a time."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.errors import SchemaAhead, SchemaBehind, StorageUnusable
from routeguide.storage import open_migrator
from routeguide.storage.base import Retention, Storage
from routeguide.storage.migrations import Migration, known_migrations, read_migrations
from routeguide.storage.sqlite.connection import DatabaseFile
from routeguide.storage.sqlite.migrator import SqliteMigrator
from routeguide.storage.sqlite.storage import open_sqlite
from tests.support.held_statements import HeldStatement
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used

HEAD = known_migrations("sqlite")
HERE = Point(0, 0)

NEXT_STEP = """
-- What a later release might do: a column, filled from the data, and a trigger.
ALTER TABLE feature ADD COLUMN name_length INTEGER NOT NULL DEFAULT 0;
UPDATE feature SET name_length = length(name);
CREATE TRIGGER feature_measured AFTER INSERT ON feature
BEGIN
  UPDATE feature SET name_length = length(name) WHERE id = new.id;
END;
"""


@pytest.fixture
def newer(tmp_path: Path) -> Sequence[Migration]:
    """The migrations of a later release, read from files as the real ones are."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for migration in HEAD:
        (folder / f"{migration.name}.sql").write_text(migration.sql, encoding="utf-8")
    (folder / f"{len(HEAD) + 1:04}.name-length.sql").write_text(NEXT_STEP, encoding="utf-8")
    return read_migrations(folder)


@pytest.fixture
async def old(tmp_path: Path) -> Path:
    """A database of the present release, with data in it."""
    path = tmp_path / "routeguide.db"
    async with opened(path, HEAD) as store:
        await store.features.import_all([Feature("Patriots Path", HERE)])
        await store.notes.post(RouteNote(HERE, "before"))
    return path


@asynccontextmanager
async def opened(
    path: Path, migrations: Sequence[Migration], *, auto_migrate: bool = False
) -> AsyncGenerator[Storage, None]:
    store = await open_sqlite(
        DatabaseFile(path, timeout=5), retention=Retention(), auto_migrate=auto_migrate, migrations=migrations
    )
    try:
        yield store
    finally:
        await store.close()


async def test_old_to_new_keeps_the_data(old: Path, newer: Sequence[Migration]) -> None:
    async with opened(old, newer, auto_migrate=True) as store:
        await store.features.import_all([Feature("after", Point(1, 1))])
        async with aclosing(store.features.within(Rectangle.GLOBE)) as pages:
            assert [each.name for page in [page async for page in pages] for each in page] == [
                "Patriots Path",
                "after",
            ]
        assert list(await store.notes.post(RouteNote(HERE, "?"))) == [RouteNote(HERE, "before")]
    assert rows(old, "SELECT name_length FROM feature") == [(13,), (5,)]


async def test_behind_is_refused_and_left_as_it_is(old: Path, newer: Sequence[Migration]) -> None:
    with pytest.raises(SchemaBehind, match=r"routeguide\.db: .*routeguide migrate"):
        async with opened(old, newer):
            pass
    async with opened(old, HEAD) as store:
        assert await store.features.count() == 1


@pytest.mark.parametrize("auto_migrate", [False, True])
async def test_ahead_is_always_refused(old: Path, newer: Sequence[Migration], auto_migrate: bool) -> None:
    async with opened(old, newer, auto_migrate=True):
        pass
    with pytest.raises(SchemaAhead, match=r"routeguide\.db: .*newer release"):
        async with opened(old, HEAD, auto_migrate=auto_migrate):
            pass


async def test_a_migration_that_was_edited_later_is_refused(old: Path) -> None:
    edited = [Migration(HEAD[0].name, HEAD[0].sql + "-- edited"), *HEAD[1:]]
    with pytest.raises(StorageUnusable, match=r"routeguide\.db: .*another version"):
        async with opened(old, edited, auto_migrate=True):
            pass


async def test_a_step_that_fails_leaves_nothing_of_itself(old: Path, newer: Sequence[Migration]) -> None:
    broken = [*newer, Migration("0009.broken", "CREATE TABLE half (a);\nINSERT INTO missing VALUES (1);\n")]
    with pytest.raises(
        StorageUnusable, match=r"routeguide\.db: migration 0009\.broken failed \(SQLITE_ERROR\)"
    ):
        async with opened(old, broken, auto_migrate=True):
            pass
    assert rows(old, "SELECT count(*) FROM schema_migration") == [(len(newer),)]
    assert rows(old, "SELECT name FROM sqlite_schema WHERE name = 'half'") == []
    async with opened(old, newer) as store:
        assert await store.features.count() == 1


async def test_several_that_migrate_at_the_same_moment_migrate_once(
    old: Path, newer: Sequence[Migration], tmp_path: Path
) -> None:
    for round_ in range(10):
        path = tmp_path / f"{round_}.db"
        shutil.copy(old, path)
        migrators = [SqliteMigrator(DatabaseFile(path, timeout=5), newer) for _ in range(4)]
        applied = await asyncio.gather(*(migrator.apply() for migrator in migrators))
        assert sorted(map(len, applied)) == [0, 0, 0, 1]


@pytest.mark.parametrize(
    "statement",
    [
        "BEGIN",
        "ALTER TABLE feature",
        "UPDATE feature",
        "CREATE TRIGGER",
        "INSERT INTO schema_migration",
        "COMMIT",
    ],
)
async def test_cancelled_in_the_middle_a_step_is_taken_to_its_end(
    held: HeldStatement, old: Path, newer: Sequence[Migration], statement: str
) -> None:
    held.hold(statement)
    migrating = asyncio.create_task(SqliteMigrator(DatabaseFile(old, timeout=5), newer).apply())
    await held.reached()
    migrating.cancel()
    await asyncio.sleep(0)
    held.release()
    await asyncio.wait([migrating])
    assert migrating.cancelled()
    async with opened(old, newer) as store:
        assert await store.features.count() == 1
    assert rows(old, "SELECT name_length FROM feature") == [(13,)]


async def test_status_shows_and_apply_applies(old: Path, newer: Sequence[Migration]) -> None:
    migrator = SqliteMigrator(DatabaseFile(old, timeout=5), newer)
    assert [each.applied_at is None for each in await migrator.status()] == [False] * len(HEAD) + [True]
    assert list(await migrator.apply()) == list(newer[len(HEAD) :])
    assert list(await migrator.apply()) == []
    assert [each.applied_at is None for each in await migrator.status()] == [False] * len(newer)


async def test_status_creates_nothing_and_apply_does(tmp_path: Path) -> None:
    path = tmp_path / "new" / "routeguide.db"
    migrator = open_migrator(f"sqlite:///{path}", timeout=5)
    assert [each.applied_at for each in await migrator.status()] == [None] * len(HEAD)
    assert not path.parent.exists()
    assert [each.name for each in await migrator.apply()] == [each.name for each in HEAD]
    async with opened(path, HEAD) as store:
        assert await store.features.count() == 0


async def test_status_refuses_what_opening_would_refuse(old: Path, newer: Sequence[Migration]) -> None:
    await SqliteMigrator(DatabaseFile(old, timeout=5), newer).apply()
    with pytest.raises(SchemaAhead):
        await SqliteMigrator(DatabaseFile(old, timeout=5), HEAD).status()


def test_a_store_in_memory_has_nothing_to_migrate() -> None:
    with pytest.raises(StorageUnusable, match="nothing to migrate"):
        open_migrator("memory://", timeout=5)


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()
