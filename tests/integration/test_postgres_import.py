"""Imports into PostgreSQL that wait, and a store that closes meanwhile."""

import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from routeguide.domain.models import Feature, Point
from routeguide.errors import StorageClosed
from routeguide.storage import open_storage
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used

DEADLINE = 40.0

OF_IMPORTS = "hashtext('routeguide.import')"

HOW_MANY_WAIT = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
"""


@pytest.fixture
async def administrator(postgres_url: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]", None]:
    """A connection beside the store's."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


async def an_import_waits(administrator: "asyncpg.Connection[asyncpg.Record]") -> None:
    async with asyncio.timeout(DEADLINE):
        while not await administrator.fetchval(HOW_MANY_WAIT):
            continue  # asking takes a moment itself


async def test_an_import_that_waits_for_another_ends_with_its_store(
    postgres_url: str, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await administrator.execute(f"SELECT pg_advisory_lock({OF_IMPORTS})")
    async with open_storage(postgres_url, timeout=DEADLINE) as store:
        importing = asyncio.create_task(store.features.import_all([Feature("", Point(0, 0))]))
        await an_import_waits(administrator)
        async with asyncio.timeout(DEADLINE):
            await store.close()
            with pytest.raises(StorageClosed):
                await importing
    await administrator.execute(f"SELECT pg_advisory_unlock({OF_IMPORTS})")
    async with open_storage(postgres_url, timeout=DEADLINE) as reopened:
        assert await reopened.features.count() == 0


async def test_a_caller_that_is_cancelled_undoes_its_import_and_no_other(
    postgres_url: str, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await administrator.execute(f"SELECT pg_advisory_lock({OF_IMPORTS})")
    async with open_storage(postgres_url, timeout=DEADLINE) as store:
        cancelled, other = (
            asyncio.create_task(store.features.import_all([Feature("", Point(each, 0))])) for each in range(2)
        )
        await an_import_waits(administrator)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await administrator.execute(f"SELECT pg_advisory_unlock({OF_IMPORTS})")
        async with asyncio.timeout(DEADLINE):
            assert (await other).added == 1
        assert await store.features.count() == 1
