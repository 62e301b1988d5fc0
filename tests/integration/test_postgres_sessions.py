"""Sessions that are not as this project would have them: another isolation, plans from before a migration."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from routeguide.domain.models import Point, RouteNote
from routeguide.errors import StorageError, StorageUnusable
from routeguide.storage import open_migrator
from routeguide.storage.base import Retention
from routeguide.storage.postgres.opening import Database
from routeguide.storage.postgres.options import PostgresOptions
from routeguide.storage.postgres.storage import PostgresStorage, open_postgres
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used

HERE = Point(0, 0)
DEADLINE = 40.0


@asynccontextmanager
async def opened(url: str, *, pooler: bool = False) -> AsyncGenerator[PostgresStorage, None]:
    options = PostgresOptions(pooler=pooler, statement_timeout=DEADLINE)
    store = await open_postgres(Database(url, DEADLINE, options), retention=Retention())
    try:
        yield store
    finally:
        await store.close()


async def administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=DEADLINE)
    try:
        await connection.execute(statement, timeout=DEADLINE)
    finally:
        await connection.close()


@pytest.mark.parametrize("pooler", [False, True])
@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_another_isolation_by_default_changes_nothing(
    postgres_url: str, level: str, pooler: bool
) -> None:
    await administer(
        postgres_url,
        "DO $$ BEGIN EXECUTE format("
        f"'ALTER DATABASE %I SET default_transaction_isolation = %L', current_database(), '{level}'); END $$",
    )
    async with opened(postgres_url, pooler=pooler) as one, opened(postgres_url, pooler=pooler) as other:
        posts = [store.notes.post(RouteNote(HERE, "")) for store in (one, other) for _ in range(20)]
        earlier = await asyncio.gather(*posts)
        posts = [store.notes.post(RouteNote(HERE, "")) for _ in range(20) for store in (one, other)]
        earlier += await asyncio.gather(*posts)
    assert sorted(map(len, earlier)) == list(range(80))


async def test_a_column_that_goes_is_got_over(postgres_url: str) -> None:
    """PostgreSQL keeps the row type of a table in the plans of a session."""
    async with opened(postgres_url):
        await administer(postgres_url, "ALTER TABLE location ADD COLUMN colour integer")
    async with opened(postgres_url) as store:
        await store.notes.post(RouteNote(HERE, "before"))
        await administer(postgres_url, "ALTER TABLE location DROP COLUMN colour")
        async with asyncio.timeout(DEADLINE):
            earlier = await _posted_at_last(store)
    assert [note.message for note in earlier] == ["before"]


async def _posted_at_last(store: PostgresStorage) -> list[RouteNote]:
    while True:
        try:
            return list(await store.notes.post(RouteNote(HERE, "after")))
        except StorageError:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("port", [99999, -5])
async def test_a_port_that_is_none_is_told_of(port: int) -> None:
    with pytest.raises(StorageUnusable, match="the URL cannot be understood"):
        await open_migrator(f"postgresql://tests@127.0.0.1:{port}/tests", timeout=DEADLINE).status()
