"""The roles that `docs/postgres.md` grants: its own statements are run here."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest

from routeguide.domain.models import Feature, Point, RouteNote
from routeguide.errors import StorageUnusable
from routeguide.storage import open_migrator, open_storage
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


async def test_the_role_that_serves_cannot_change_the_schema(database: str) -> None:
    with pytest.raises(StorageUnusable, match="lacks a privilege"):
        await open_migrator(database.format(user=SERVING), timeout=DEADLINE).apply()
    await open_migrator(database.format(user=MIGRATING), timeout=DEADLINE).apply()
    connection = await asyncpg.connect(database.format(user=SERVING), timeout=DEADLINE)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("DROP TABLE note")
    await connection.close()
