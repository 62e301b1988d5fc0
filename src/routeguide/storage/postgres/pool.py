"""The driver's pool, made the way that this project uses it."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, TypeAlias, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from routeguide.storage.postgres.address import connect_arguments
from routeguide.storage.postgres.hosts import connect
from routeguide.storage.postgres.options import PostgresOptions

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

_ANY_NUMBER = 2**31
"""Of queries on one connection: the driver would otherwise take leave of it in the middle of an operation."""


async def connected_pool(url: str, options: PostgresOptions) -> tuple[Pool, Mapping[str, str]]:
    """A pool with one connection, and the limits that each of its transactions has to set.

    Raises what the driver raises; nothing stays open then.
    """
    pool = await asyncpg.create_pool(
        **connect_arguments(url, options),
        connect=cast("Any", connect),  # as it is called; the stubs want every argument to be optional
        min_size=0,
        max_size=options.pool_size,
        max_queries=_ANY_NUMBER,
        reset=_leave_as_it_is,
    )
    with ExitStack() as undone:
        undone.callback(pool.terminate)
        async with pool.acquire() as connection:
            limits = await _missing_limits(connection, options) if options.pooler else {}
        undone.pop_all()
    return pool, limits


async def _missing_limits(connection: Connection, options: PostgresOptions) -> Mapping[str, str]:
    """Those that the role has not; behind a pooler nobody else sets them.

    What the role has is left to it, for RDS Proxy stops sharing a session that uses SET.
    """
    async with connection.transaction():
        rows = await connection.fetch("SELECT name FROM pg_settings WHERE setting = '0'")
    unlimited = {row["name"] for row in rows}
    return {name: value for name, value in options.limits.items() if name in unlimited}


async def _leave_as_it_is(_: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Spares every operation the trip of the driver's reset: sessions are never changed here."""
