"""Connections to the tests' PostgreSQL whose bounds a test chooses."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.options import PostgresOptions
from tests.support.postgres import Cluster

DEADLINE = 20.0
"""Seconds for an operation that nothing holds up, on a busy machine."""

SHORT = 1.0
"""Seconds of a bound that a test means to reach."""

Connect = Callable[..., AbstractAsyncContextManager[Connections]]


@pytest.fixture
def connect(postgres_cluster: Cluster) -> Connect:
    @asynccontextmanager
    async def connected(
        seconds: float = DEADLINE, url: str = postgres_cluster.url, **options: Any
    ) -> AsyncGenerator[Connections, None]:
        given = {"acquire_timeout": DEADLINE, "connect_timeout": DEADLINE} | options
        connections = await Connections.open(url, timeout=DEADLINE, options=PostgresOptions(**given))
        connections._timeout = seconds  # only now: no test means to be late in opening them
        try:
            yield connections
        finally:
            await connections.close()

    return connected


async def value(connections: Connections, query: str) -> Any:
    async with connections.connection() as connection:
        return await connection.fetchval(query)
