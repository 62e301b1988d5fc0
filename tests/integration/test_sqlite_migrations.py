"""What is SQLite's own in migrations: each step is a transaction, and what is missing is made on the way."""

import asyncio
from pathlib import Path

import pytest

from routeguide.errors import StorageUnusable
from routeguide.storage import open_migrator
from routeguide.storage.migrations import Migration, known_migrations
from tests.support.held_statements import HeldStatement
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used
from tests.support.releases import SqliteReleases

HEAD = known_migrations("sqlite")


@pytest.fixture
async def old(tmp_path: Path) -> SqliteReleases:
    """A database of the present release, with data in it."""
    releases = SqliteReleases(tmp_path)
    await releases.fill()
    return releases


async def test_steps_before_the_one_that_fails_are_kept(old: SqliteReleases) -> None:
    broken = [
        *old.newer,
        Migration("0009.broken", "CREATE TABLE half (a);\nINSERT INTO missing VALUES (1);\n"),
    ]
    with pytest.raises(StorageUnusable, match=r"routeguide\.db: migration 0009\.broken failed"):
        async with old.opened(broken, auto_migrate=True):
            pass
    assert await old.rows("SELECT count(*) FROM schema_migration") == [(len(old.newer),)]
    async with old.opened(old.newer) as store:
        assert await store.features.count() == 1


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
    held: HeldStatement, old: SqliteReleases, statement: str
) -> None:
    held.hold(statement)
    migrating = asyncio.create_task(old.migrator(old.newer).apply())
    await held.reached()
    migrating.cancel()
    await asyncio.sleep(0)
    held.release()
    await asyncio.wait([migrating])
    assert migrating.cancelled()
    async with old.opened(old.newer) as store:
        assert await store.features.count() == 1
    assert await old.rows("SELECT name_length FROM feature") == [(13,)]


async def test_status_creates_nothing_and_apply_does(tmp_path: Path) -> None:
    path = tmp_path / "new" / "routeguide.db"
    migrator = open_migrator(f"sqlite:///{path}", timeout=5)
    assert [each.applied_at for each in await migrator.status()] == [None] * len(HEAD)
    assert not path.parent.exists()
    assert [each.name for each in await migrator.apply()] == [each.name for each in HEAD]
    assert None not in [each.applied_at for each in await migrator.status()]


def test_a_store_in_memory_has_nothing_to_migrate() -> None:
    with pytest.raises(StorageUnusable, match="nothing to migrate"):
        open_migrator("memory://", timeout=5)
