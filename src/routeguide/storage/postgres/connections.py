"""Connections to PostgreSQL: bounded in number, in the time they take, and in what they survive.

Whatever happens to the server, an operation ends within its time, and the connection on which it failed is
thrown away rather than trusted again. A server that is paused answers nothing, not even the request to
cancel a statement, so no time is spent on asking.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress

import asyncpg

from routeguide.errors import StorageBusy, StorageClosed, StorageError
from routeguide.redaction import shown
from routeguide.storage.postgres.errors import (
    DRIVER_ERRORS,
    READ_ONLY,
    at_opening,
    is_environmental,
    sqlstate_of,
    translated,
)
from routeguide.storage.postgres.options import PostgresOptions
from routeguide.storage.postgres.pool import Connection, Pool, connected_pool

_DEFAULTS = PostgresOptions()

_OUTDATED_PLAN = (asyncpg.UndefinedColumnError, asyncpg.DatatypeMismatchError)
"""What a function fails with whose session keeps a plan from before a migration; a new session has none."""

_RELEASE_TIMEOUT = 1.0
"""Seconds to take leave of a server in, when a connection to it is not to be used again."""


class Connections:
    """The connections of one process. Open them with `open`; `close` is idempotent.

    They are made when they are needed and kept for five minutes after that. Every error of the driver
    leaves this class as one of the `StorageError` family.
    """

    def __init__(
        self,
        pool: Pool,
        options: PostgresOptions,
        timeout: float,
        limits: Mapping[str, str],
    ) -> None:
        """
        Args:
            limits: parameters that each transaction sets for itself.
        """
        self._pool = pool
        self._options = options
        self._limits = limits
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
                pool, limits = await connected_pool(url, options)
        except (*DRIVER_ERRORS, ValueError) as error:
            raise at_opening(error, shown(url)) from error
        return cls(pool, options, timeout, limits)

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
            await connection.execute(_begin(self._limits if timeout is None else _limits_of(timeout)))
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
            async with self._in_time(self._timeout if seconds is None else seconds), self._turn():
                connection = await self._acquired()
                try:
                    yield connection
                except BaseException as error:
                    was_lost = _is_lost(connection)
                    await self._recover(connection, error)
                    if was_lost and isinstance(error, asyncpg.InterfaceError):
                        raise ConnectionResetError("closed between two statements") from error
                    raise
                finally:
                    await self._pool.release(connection, timeout=_RELEASE_TIMEOUT)

    @asynccontextmanager
    async def _in_time(self, seconds: float) -> AsyncGenerator[None, None]:
        """Bounds the block. A host that is gone closes no connection: when one is silent, so may all be, and
        without taking leave of them each would cost its user as long."""
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            await self._pool.expire_connections()
            raise TimeoutError(f"no answer within {seconds:g} s") from error

    async def _acquired(self) -> Connection:
        try:
            return await self._pool.acquire()
        except TimeoutError as error:
            raise TimeoutError(f"no connection within {self._options.connect_timeout:g} s") from error
        except asyncpg.InterfaceError as error:
            if self._closed:
                raise StorageClosed("the store is closed") from error
            raise

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None, None]:
        """Lets in as many as there are connections, so that who waits for one is told from who waits for
        the server."""
        try:
            async with asyncio.timeout(self._options.acquire_timeout):
                await self._free.acquire()
        except TimeoutError:
            cause = TimeoutError(f"no connection became free within {self._options.acquire_timeout:g} s")
            raise StorageBusy("all connections to the store are in use") from cause
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
        if not isinstance(error, Exception) or _is_lost(connection) or _is_spoilt(error):
            _terminate(connection)
        elif connection.is_in_transaction():
            await _roll_back(connection)


async def _roll_back(connection: Connection) -> None:
    try:
        await connection.execute("ROLLBACK")
    except BaseException:
        _terminate(connection)  # or giving it back would wait for a server that may never answer
        raise


def _terminate(connection: Connection) -> None:
    with suppress(asyncpg.InterfaceError):  # the pool has taken it back, because the server hung up
        connection.terminate()


def _is_lost(connection: Connection) -> bool:
    """Whether the server has hung up, for which the driver then blames whoever uses the connection."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True  # the pool has taken it back


def _begin(limits: Mapping[str, str]) -> str:
    """One trip, however many there are. Behind a pooler the isolation is the role's, which may be another."""
    settings = (f"SET LOCAL {name} = '{value}'" for name, value in limits.items())
    return ";".join(["BEGIN ISOLATION LEVEL READ COMMITTED", *settings])


def _limits_of(seconds: float) -> dict[str, str]:
    """Those of a transaction that is to take longer than others."""
    milliseconds = str(int(seconds * 1000))
    return dict.fromkeys(("statement_timeout", "idle_in_transaction_session_timeout"), milliseconds)


def _is_spoilt(error: Exception) -> bool:
    """Whether the connection may be unfit after `error`. Those of the caller's own leave it as it was."""
    return isinstance(error, (asyncpg.InterfaceError, *_OUTDATED_PLAN)) or (
        isinstance(error, DRIVER_ERRORS) and is_environmental(error)
    )
