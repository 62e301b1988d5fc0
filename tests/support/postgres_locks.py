"""Somebody who holds up those who write notes to PostgreSQL."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from tests.support.postgres import DEADLINE


@asynccontextmanager
async def notes_locked(url: str) -> AsyncGenerator[None, None]:
    """Somebody else has the table of notes for himself."""
    connection = await asyncpg.connect(url, timeout=DEADLINE)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE note")
            yield
    finally:
        await connection.close()


async def blocked(url: str) -> None:
    """Returns when a statement waits for a lock."""
    connection = await asyncpg.connect(url, timeout=DEADLINE)
    try:
        async with asyncio.timeout(DEADLINE):
            # PostgreSQL tells nobody when a statement begins to wait.
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        await connection.close()
