"""Migrations on a real server: from old to new with data in it, all or nothing, one process at a time."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.errors import SchemaAhead, SchemaBehind, StorageUnusable
from routeguide.storage import open_migrator
from routeguide.storage.base import Retention, Storage
from routeguide.storage.migrations import Migration, known_migrations, read_migrations
from routeguide.storage.postgres.migrator import PostgresMigrator
from routeguide.storage.postgres.opening import Database
from routeguide.storage.postgres.options import PostgresOptions
from routeguide.storage.postgres.storage import open_postgres
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used

HEAD = known_migrations("postgres")
HERE = Point(0, 0)

NEXT_STEP = """
-- What a later release might do: a column, filled from the data, and a function.
ALTER TABLE feature ADD COLUMN name_length integer NOT NULL DEFAULT 0;
UPDATE feature SET name_length = octet_length(name);
CREATE FUNCTION longest_name() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT max(name_length) FROM feature);
END
$$;
"""

WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_database ON database = pg_database.oid
WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
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
def database(postgres_url: str) -> Database:
    return Database(postgres_url, 5, PostgresOptions())


@pytest.fixture
async def old(database: Database) -> Database:
    """A database of the present release, with data in it."""
    async with opened(database, HEAD) as store:
        await store.features.import_all([Feature("Patriots Path", HERE)])
        await store.notes.post(RouteNote(HERE, "before"))
    return database


@asynccontextmanager
async def opened(
    database: Database, migrations: Sequence[Migration], *, auto_migrate: bool = False
) -> AsyncGenerator[Storage, None]:
    store = await open_postgres(
        database, retention=Retention(), auto_migrate=auto_migrate, migrations=migrations
    )
    try:
        yield store
    finally:
        await store.close()


async def rows(database: Database, statement: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(database.url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def test_old_to_new_keeps_the_data(old: Database, newer: Sequence[Migration]) -> None:
    async with opened(old, newer, auto_migrate=True) as store:
        await store.features.import_all([Feature("after", Point(1, 1))])
        async with aclosing(store.features.within(Rectangle.GLOBE)) as pages:
            assert [each.name for page in [page async for page in pages] for each in page] == [
                "Patriots Path",
                "after",
            ]
        assert list(await store.notes.post(RouteNote(HERE, "?"))) == [RouteNote(HERE, "before")]
    assert await rows(old, "SELECT longest_name()") == [(13,)]


async def test_behind_is_refused_and_left_as_it_is(old: Database, newer: Sequence[Migration]) -> None:
    with pytest.raises(SchemaBehind, match=r"postgresql://[^@]*: .*routeguide migrate"):
        async with opened(old, newer):
            pass
    async with opened(old, HEAD) as store:
        assert await store.features.count() == 1


@pytest.mark.parametrize("auto_migrate", [False, True])
async def test_ahead_is_always_refused(old: Database, newer: Sequence[Migration], auto_migrate: bool) -> None:
    async with opened(old, newer, auto_migrate=True):
        pass
    with pytest.raises(SchemaAhead, match="newer release"):
        async with opened(old, HEAD, auto_migrate=auto_migrate):
            pass


async def test_a_migration_that_was_edited_later_is_refused(old: Database) -> None:
    edited = [Migration(HEAD[0].name, HEAD[0].sql + "-- edited"), *HEAD[1:]]
    with pytest.raises(StorageUnusable, match="another version"):
        async with opened(old, edited, auto_migrate=True):
            pass


async def test_a_step_that_fails_undoes_all_that_were_due(old: Database, newer: Sequence[Migration]) -> None:
    broken = [*newer, Migration("0009.broken", "CREATE TABLE half (a int);\nINSERT INTO missing VALUES (1);")]
    with pytest.raises(StorageUnusable, match=r"migration 0009\.broken failed \(SQLSTATE 42P01\)"):
        async with opened(old, broken, auto_migrate=True):
            pass
    assert await rows(old, "SELECT count(*) FROM schema_migration") == [(len(HEAD),)]
    assert await rows(old, "SELECT to_regclass('half')") == [(None,)]
    async with opened(old, HEAD) as store:
        assert await store.features.count() == 1


async def test_several_that_migrate_at_the_same_moment_migrate_once(
    old: Database, newer: Sequence[Migration]
) -> None:
    migrators = [PostgresMigrator(old, newer) for _ in range(4)]
    applied = await asyncio.gather(*(migrator.apply() for migrator in migrators))
    assert sorted(map(len, applied)) == [0, 0, 0, 1]


async def test_several_that_start_together_on_an_empty_database_all_start(
    database: Database, newer: Sequence[Migration]
) -> None:
    """With two steps: none of them finds the database between the first and the second."""
    stores = await asyncio.gather(
        *(open_postgres(database, retention=Retention(), migrations=newer) for _ in range(6))
    )
    for store in stores:
        await store.close()


async def test_cancelled_in_the_middle_nothing_is_left(old: Database, newer: Sequence[Migration]) -> None:
    """While it waits for its turn, which somebody else has taken."""
    other = await asyncpg.connect(old.url)
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtext('routeguide.migrate'))")
        migrating = asyncio.create_task(PostgresMigrator(old, newer).apply())
        await waiting_for_a_lock(other)
        migrating.cancel()
        await asyncio.wait([migrating])
    await other.close()
    assert migrating.cancelled()
    assert len(await PostgresMigrator(old, newer).apply()) == 1


async def waiting_for_a_lock(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Returns once somebody waits for an advisory lock of this database."""
    async with asyncio.timeout(20):
        while not await connection.fetchval(WAITING):  # noqa: ASYNC110  # a server's lock has no event
            await asyncio.sleep(0.02)


async def test_status_shows_and_apply_applies(old: Database, newer: Sequence[Migration]) -> None:
    migrator = PostgresMigrator(old, newer)
    assert [each.applied_at is None for each in await migrator.status()] == [False] * len(HEAD) + [True]
    assert list(await migrator.apply()) == list(newer[len(HEAD) :])
    assert list(await migrator.apply()) == []
    assert [each.applied_at is None for each in await migrator.status()] == [False] * len(newer)


async def test_status_creates_nothing_and_apply_does(database: Database) -> None:
    migrator = open_migrator(database.url, timeout=5)
    assert [each.applied_at for each in await migrator.status()] == [None] * len(HEAD)
    assert await rows(database, "SELECT to_regclass('schema_migration')") == [(None,)]
    assert [each.name for each in await migrator.apply()] == [each.name for each in HEAD]
    async with opened(database, HEAD) as store:
        assert await store.features.count() == 0


async def test_status_refuses_what_opening_would_refuse(old: Database, newer: Sequence[Migration]) -> None:
    await PostgresMigrator(old, newer).apply()
    with pytest.raises(SchemaAhead):
        await PostgresMigrator(old, HEAD).status()


async def test_another_programs_tables_are_left_alone(database: Database) -> None:
    await rows(database, "CREATE TABLE schema_migration (version integer)")
    with pytest.raises(StorageUnusable, match="another program has a table schema_migration"):
        async with opened(database, HEAD):
            pass


async def test_a_table_of_the_same_name_stays(database: Database) -> None:
    await rows(database, "CREATE TABLE feature (flag text)")
    with pytest.raises(StorageUnusable, match=r"failed \(SQLSTATE 42P07\)"):
        async with opened(database, HEAD):
            pass
    assert await rows(database, "SELECT to_regclass('schema_migration'), to_regclass('note')") == [
        (None, None)
    ]
