"""Connections to PostgreSQL: bounded in number, in the time they take, and in what they survive.

Whatever happens to the server, an operation ends within its time, and the connection on which it failed is
thrown away rather than trusted again. A server that is paused answers nothing, not even the request to
cancel a statement, so no time is spent on asking.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from routeguide.errors import StorageBusy, StorageClosed, StorageError
from routeguide.storage.postgres.address import connect_arguments, shown
from routeguide.storage.postgres.errors import (
    DRIVER_ERRORS,
    READ_ONLY,
    at_opening,
    is_environmental,
    sqlstate_of,
    translated,
)
from routeguide.storage.postgres.options import PostgresOptions

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

_DEFAULTS = PostgresOptions()

_ANY_NUMBER = 2**31
"""Of queries on one connection: the driver would otherwise take leave of it in the middle of an operation."""


_RELEASE_TIMEOUT = 1.0
"""Seconds to take leave of a server in, when a connection to it is not to be used again."""


class Connections:
    """The connections of one process. Open them with `open`; `close` is idempotent.

    They are made when they are needed and kept for five minutes after that. Every error of the driver
    leaves this class as one of the `StorageError` family.
    """

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", options: PostgresOptions, timeout: float
    ) -> None:
        self._pool = pool
        self._options = options
        self._timeout = timeout
        self._free = asyncio.Semaphore(options.pool_size)
        self._closed = False

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        timeout: float,  # noqa: ASYNC109  # of every operation, all through the life of the connections
        options: PostgresOptions = _DEFAULTS,
    ) -> "Connections":
        """Connections to the database at `url`, one of which has been made.

        Args:
            timeout: seconds that an operation may take, the wait for a connection included.

        Raises:
            StorageUnavailable, StorageUnusable: written for the operator; nothing stays open.
        """
        try:
            async with asyncio.timeout(timeout):
                pool = await _connected_pool(url, options)
        except (*DRIVER_ERRORS, ValueError) as error:
            raise at_opening(error, shown(url)) from error
        return cls(pool, options, timeout)

    @asynccontextmanager
    async def connection(self, *, timeout: float | None = None) -> AsyncGenerator[Connection, None]:  # noqa: ASYNC109  # bounds the caller's statements too
        """A connection for statements each of which stands for itself.

        Behind a pooler it is in a transaction all the same, since two statements outside of one may reach
        two different sessions, and the driver needs two for every query.

        Args:
            timeout: seconds that all of it may take, instead of those of `open`.

        Raises:
            StorageBusy: all connections are in use, and none became free in time.
            StorageUnavailable, StorageFull, StorageError: as `storage.base` has it.
        """
        if self._options.pooler:
            async with self.transaction(timeout=timeout) as connection:
                yield connection
        else:
            async with self._bounded(timeout) as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self, *, timeout: float | None = None) -> AsyncGenerator[Connection, None]:  # noqa: ASYNC109  # bounds the caller's statements too
        """A connection in a transaction, which is committed at the end and undone by any exception.

        When the end fails with StorageUnavailable, whether it was committed is unknown.

        Args, Raises: those of `connection`; a `timeout` also allows each statement that long.
        """
        async with self._bounded(timeout) as connection:
            await connection.execute(_begin(timeout))
            yield connection
            if await connection.execute("COMMIT") != "COMMIT":
                raise StorageError("a failed transaction was taken for a good one")

    async def close(self) -> None:
        """Waits for the operations under way, as long as one may take, and closes everything."""
        self._closed = True
        try:
            async with asyncio.timeout(self._timeout):
                await self._pool.close()
        except DRIVER_ERRORS:  # a server that does not answer needs no goodbye
            self._pool.terminate()

    @asynccontextmanager
    async def _bounded(self, seconds: float | None) -> AsyncGenerator[Connection, None]:
        if self._closed:
            raise StorageClosed("the store is closed")
        with translated():
            async with asyncio.timeout(self._timeout if seconds is None else seconds), self._turn():
                connection = await self._pool.acquire()
                try:
                    yield connection
                except BaseException as error:
                    await self._recover(connection, error)
                    raise
                finally:
                    await self._pool.release(connection, timeout=_RELEASE_TIMEOUT)

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None, None]:
        """Lets in as many as there are connections, so that who waits for one is told from who waits for
        the server."""
        try:
            async with asyncio.timeout(self._options.acquire_timeout):
                await self._free.acquire()
        except TimeoutError as error:
            raise StorageBusy("all connections to the store are in use") from error
        try:
            if self._closed:
                raise StorageClosed("the store is closed")
            yield
        finally:
            self._free.release()

    async def _recover(self, connection: Connection, error: BaseException) -> None:
        """Makes `connection` fit to be used again, or throws it away.

        Who was cancelled may have left a statement running. To cancel that takes a connection too, so
        another one in its place costs the same and cannot hang.
        """
        if sqlstate_of(error) == READ_ONLY:
            await self._pool.expire_connections()  # the other ones lead to the same server
        if not isinstance(error, Exception) or _is_spoilt(error):
            connection.terminate()
        elif connection.is_in_transaction():
            await _roll_back(connection)


async def _roll_back(connection: Connection) -> None:
    try:
        await connection.execute("ROLLBACK")
    except BaseException:
        connection.terminate()  # or giving it back would wait for a server that may never answer
        raise


def _begin(seconds: float | None) -> str:
    if seconds is None:
        return "BEGIN"
    limits = ("statement_timeout", "idle_in_transaction_session_timeout")
    return ";".join(["BEGIN", *(f"SET LOCAL {limit} = {int(seconds * 1000)}" for limit in limits)])


async def _connected_pool(url: str, options: PostgresOptions) -> "asyncpg.Pool[asyncpg.Record]":
    pool = await asyncpg.create_pool(
        **connect_arguments(url, options),
        min_size=0,
        max_size=options.pool_size,
        max_queries=_ANY_NUMBER,
        reset=_leave_as_it_is,
    )
    async with pool.acquire():
        return pool


def _is_spoilt(error: Exception) -> bool:
    """Whether the connection may be unfit after `error`. Those of the caller's own leave it as it was."""
    return isinstance(error, DRIVER_ERRORS) and is_environmental(error)


async def _leave_as_it_is(_: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Spares every operation the trip of the driver's reset: sessions are never changed here."""
