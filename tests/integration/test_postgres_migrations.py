"""What is PostgreSQL's own in migrations: all that are due are one transaction, one task at a time."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from routeguide.errors import StorageUnusable
from routeguide.storage import open_migrator
from routeguide.storage.migrations import Migration
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used
from tests.support.releases import PostgresReleases

WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_database ON database = pg_database.oid
WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
"""


@pytest.fixture
def empty(tmp_path: Path, postgres_url: str) -> PostgresReleases:
    """A database with nothing in it."""
    return PostgresReleases(tmp_path, postgres_url)


@pytest.fixture
async def old(empty: PostgresReleases) -> PostgresReleases:
    """A database of the present release, with data in it."""
    await empty.fill()
    return empty


async def test_a_step_that_fails_undoes_all_that_were_due(old: PostgresReleases) -> None:
    broken = [
        *old.newer,
        Migration("0009.broken", "CREATE TABLE half (a int);\nINSERT INTO missing VALUES (1);"),
    ]
    with pytest.raises(StorageUnusable, match=r"migration 0009\.broken failed \(SQLSTATE 42P01\)"):
        async with old.opened(broken, auto_migrate=True):
            pass
    assert await old.rows("SELECT count(*) FROM schema_migration") == [(len(old.head),)]
    async with old.opened(old.head) as store:
        assert await store.features.count() == 1


async def test_several_that_start_together_on_an_empty_database_all_start(empty: PostgresReleases) -> None:
    """With two steps: none of them finds the database between the first and the second."""
    stores = await asyncio.gather(*(empty.open(empty.newer) for _ in range(6)))
    for store in stores:
        await store.close()


async def test_cancelled_in_the_middle_nothing_is_left(old: PostgresReleases) -> None:
    """While it waits for its turn, which somebody else has taken."""
    other = await asyncpg.connect(old.database.url)
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtext('routeguide.migrate'))")
        migrating = asyncio.create_task(old.migrator(old.newer).apply())
        await waiting_for_a_lock(other)
        migrating.cancel()
        await asyncio.wait([migrating])
    await other.close()
    assert migrating.cancelled()
    assert len(await old.migrator(old.newer).apply()) == 1


async def waiting_for_a_lock(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Returns once somebody waits for an advisory lock of this database."""
    async with asyncio.timeout(20):
        while not await connection.fetchval(WAITING):  # noqa: ASYNC110  # a server's lock has no event
            await asyncio.sleep(0.02)


async def test_status_creates_nothing_and_apply_does(empty: PostgresReleases) -> None:
    migrator = open_migrator(empty.database.url, timeout=5)
    assert [each.applied_at for each in await migrator.status()] == [None] * len(empty.head)
    assert await empty.rows("SELECT to_regclass('schema_migration')") == [(None,)]
    assert [each.name for each in await migrator.apply()] == [each.name for each in empty.head]
    async with empty.opened(empty.head) as store:
        assert await store.features.count() == 0


async def test_another_programs_tables_are_left_alone(empty: PostgresReleases) -> None:
    await empty.rows("CREATE TABLE schema_migration (version integer)")
    with pytest.raises(StorageUnusable, match="another program has a table schema_migration"):
        async with empty.opened(empty.head):
            pass


async def test_a_table_of_the_same_name_stays(empty: PostgresReleases) -> None:
    await empty.rows("CREATE TABLE feature (flag text)")
    with pytest.raises(StorageUnusable, match=r"failed \(SQLSTATE 42P07\)"):
        async with empty.opened(empty.head):
            pass
    assert await empty.rows("SELECT to_regclass('schema_migration'), to_regclass('note')") == [(None, None)]
