"""The roles that `docs/postgres.md` grants: its own statements are run here."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest

from routeguide.domain.models import Feature, Point, RouteNote
from routeguide.errors import StorageUnusable
from routeguide.storage import open_migrator, open_storage
from routeguide.storage.base import Retention
from routeguide.storage.migrations import Migration, known_migrations
from routeguide.storage.postgres.opening import Database
from routeguide.storage.postgres.options import PostgresOptions
from routeguide.storage.postgres.storage import open_postgres
from tests.support.postgres import PASSWORD, SUPERUSER, Cluster, administer, fresh_database

DEADLINE = 20.0
"""Seconds for an operation that nothing holds up, on a busy machine."""

MIGRATING, SERVING = "routeguide_migrate", "routeguide_serve"

DOCUMENT = Path(__file__).parents[2] / "docs" / "postgres.md"


def documented_grants() -> str:
    (statements,) = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    return str(statements)


@pytest.fixture
async def database(postgres_cluster: Cluster) -> AsyncGenerator[str, None]:
    """The URL of a database for which the statements were run, for {user}."""
    try:
        async with fresh_database(postgres_cluster) as name:
            await administer(postgres_cluster, documented_grants(), name)
            for role in (MIGRATING, SERVING):
                await administer(postgres_cluster, f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
            yield postgres_cluster.url_of(name).replace(SUPERUSER, "{user}", 1)
    finally:
        await administer(postgres_cluster, f"DROP ROLE IF EXISTS {MIGRATING}, {SERVING}")


async def test_one_role_migrates_and_the_other_serves(database: str) -> None:
    assert await open_migrator(database.format(user=MIGRATING), timeout=DEADLINE).apply()
    async with open_storage(database.format(user=SERVING), timeout=DEADLINE) as storage:
        await storage.check()
        location = Point(1, 1)
        await storage.features.import_all([Feature("here", location)])
        assert await storage.features.find(location) == Feature("here", location)
        assert await storage.notes.post(RouteNote(location, "first")) == ()
        assert await storage.notes.count() == 1


async def test_the_role_that_serves_is_told_who_has_to_migrate(database: str) -> None:
    """Over an empty database, and over one that is behind, whose tables it does not own."""
    url = database.format(user=SERVING)
    who = "run `routeguide migrate` as a role that may create and alter tables$"
    with pytest.raises(StorageUnusable, match=who):
        async with open_storage(url, timeout=DEADLINE):
            pass
    await open_migrator(database.format(user=MIGRATING), timeout=DEADLINE).apply()
    newer = [
        *known_migrations("postgres"),
        Migration("9999.newer", "ALTER TABLE note ADD COLUMN colour text"),
    ]
    there = Database(url, DEADLINE, PostgresOptions())
    with pytest.raises(StorageUnusable, match=who):
        await open_postgres(there, retention=Retention(), auto_migrate=True, migrations=newer)


async def test_the_role_that_serves_cannot_change_the_schema(database: str) -> None:
    with pytest.raises(StorageUnusable, match="lacks the privilege to migrate"):
        await open_migrator(database.format(user=SERVING), timeout=DEADLINE).apply()
    await open_migrator(database.format(user=MIGRATING), timeout=DEADLINE).apply()
    connection = await asyncpg.connect(database.format(user=SERVING), timeout=DEADLINE)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("DROP TABLE note")
    await connection.close()
