"""From one release to the next with data in the store, on every backend that has migrations."""

import asyncio
from pathlib import Path

import pytest

from routeguide.domain.models import Feature, Point, RouteNote
from routeguide.errors import SchemaAhead, SchemaBehind, StorageUnusable
from routeguide.storage.migrations import Migration
from tests.contract.conftest import DURABLE, listed
from tests.support.releases import HERE, PostgresReleases, Releases, SqliteReleases

BROKEN = Migration("0009.broken", "CREATE TABLE half (a integer);\nINSERT INTO missing VALUES (1);\n")


@pytest.fixture(params=DURABLE)
def releases(request: pytest.FixtureRequest, tmp_path: Path) -> Releases:
    if request.param == "sqlite":
        return SqliteReleases(tmp_path)
    # Only here: SQLite must not skip where there is no PostgreSQL.
    return PostgresReleases(tmp_path, request.getfixturevalue("postgres_schema_url"))


@pytest.fixture
async def old(releases: Releases) -> Releases:
    """A database of the present release, with data in it."""
    await releases.fill()
    return releases


async def test_old_to_new_keeps_the_data(old: Releases) -> None:
    async with old.opened(old.newer, auto_migrate=True) as store:
        await store.features.import_all([Feature("after", Point(1, 1))])
        assert [feature.name for feature in await listed(store)] == ["Patriots Path", "after"]
        assert list(await store.notes.post(RouteNote(HERE, "?"))) == [RouteNote(HERE, "before")]
    assert await old.rows("SELECT name_length FROM feature ORDER BY id") == [(13,), (5,)]


async def test_behind_is_refused_and_left_as_it_is(old: Releases) -> None:
    with pytest.raises(SchemaBehind, match=r"(routeguide\.db|postgresql://[^@]*): .*routeguide migrate"):
        async with old.opened(old.newer):
            pass
    async with old.opened(old.head) as store:
        assert await store.features.count() == 1


@pytest.mark.parametrize("auto_migrate", [False, True])
async def test_ahead_is_always_refused(old: Releases, auto_migrate: bool) -> None:
    async with old.opened(old.newer, auto_migrate=True):
        pass
    with pytest.raises(SchemaAhead, match=r"(routeguide\.db|postgresql://[^@]*): .*newer release"):
        async with old.opened(old.head, auto_migrate=auto_migrate):
            pass


async def test_a_migration_that_was_edited_later_is_refused(old: Releases) -> None:
    edited = [Migration(old.head[0].name, old.head[0].sql + "-- edited"), *old.head[1:]]
    with pytest.raises(StorageUnusable, match=r"(routeguide\.db|postgresql://[^@]*): .*another version"):
        async with old.opened(edited, auto_migrate=True):
            pass


async def test_a_step_that_fails_leaves_nothing_of_itself(old: Releases) -> None:
    with pytest.raises(
        StorageUnusable, match=r"migration 0009\.broken failed \((SQLITE_ERROR|SQLSTATE 42P01)\)"
    ):
        async with old.opened([*old.head, BROKEN], auto_migrate=True):
            pass
    assert await old.rows("SELECT count(*) FROM schema_migration") == [(len(old.head),)]
    async with old.opened(
        [*old.head, Migration("0009.mended", "CREATE TABLE half (a integer);\n")], auto_migrate=True
    ):
        pass  # what failed has left no table of that name


async def test_several_that_migrate_at_the_same_moment_migrate_once(old: Releases) -> None:
    migrators = [old.migrator(old.newer) for _ in range(8)]
    applied = await asyncio.gather(*(migrator.apply() for migrator in migrators))
    assert sorted(map(len, applied)) == [0] * 7 + [1]


async def test_status_shows_and_apply_applies(old: Releases) -> None:
    migrator = old.migrator(old.newer)
    assert [each.applied_at is None for each in await migrator.status()] == [False] * len(old.head) + [True]
    assert list(await migrator.apply()) == list(old.newer[len(old.head) :])
    assert list(await migrator.apply()) == []
    assert [each.applied_at is None for each in await migrator.status()] == [False] * len(old.newer)


async def test_status_refuses_what_opening_would_refuse(old: Releases) -> None:
    await old.migrator(old.newer).apply()
    with pytest.raises(SchemaAhead):
        await old.migrator(old.head).status()
