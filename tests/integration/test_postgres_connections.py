"""The connections to PostgreSQL: what they bound, and what they survive."""

import asyncio
from contextlib import suppress

import asyncpg
import pytest

from routeguide.errors import StorageBusy, StorageClosed, StorageError, StorageUnavailable
from routeguide.storage.postgres.connections import Connections
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used
from tests.support.postgres_connections import DEADLINE, SHORT, Connect, value


async def make_table(connections: Connections) -> None:
    async with connections.connection() as connection:
        await connection.execute("DROP TABLE IF EXISTS kept; CREATE TABLE kept (number int PRIMARY KEY)")


async def kept(connections: Connections) -> int:
    return int(await value(connections, "SELECT count(*) FROM kept"))


async def test_a_transaction_is_committed_at_its_end(connect: Connect) -> None:
    async with connect() as connections:
        await make_table(connections)
        async with connections.transaction() as connection:
            await connection.execute("INSERT INTO kept VALUES (1)")
        assert await kept(connections) == 1


@pytest.mark.parametrize("error", [KeyError, OSError, StorageError, asyncio.CancelledError])
async def test_an_exception_undoes_a_transaction(connect: Connect, error: type[BaseException]) -> None:
    async with connect(pool_size=1) as connections:
        await make_table(connections)
        with suppress(error, StorageUnavailable):
            async with connections.transaction() as connection:
                await connection.execute("INSERT INTO kept VALUES (1)")
                raise error
        assert await kept(connections) == 0


async def test_a_failed_transaction_is_never_taken_for_a_good_one(connect: Connect) -> None:
    async with connect() as connections:
        await make_table(connections)
        with pytest.raises(StorageError):  # noqa: PT012  # it is the end of the block that raises
            async with connections.transaction() as connection:
                await connection.execute("INSERT INTO kept VALUES (1)")
                with suppress(asyncpg.PostgresError):
                    await connection.execute("SELECT 1 / 0")
        assert await kept(connections) == 0


async def test_a_cancelled_caller_leaves_no_transaction_and_loses_no_connection(connect: Connect) -> None:
    async with connect(pool_size=1, statement_timeout=60) as connections:
        await make_table(connections)
        entered = asyncio.Event()

        async def insert_and_wait() -> None:
            async with connections.transaction() as connection:
                await connection.execute("INSERT INTO kept VALUES (1)")
                entered.set()
                await connection.execute("SELECT pg_sleep(600)")

        caller = asyncio.create_task(insert_and_wait())
        await entered.wait()
        caller.cancel()
        await asyncio.wait([caller])
        assert caller.cancelled()
        async with connections.transaction() as connection:
            await connection.execute("INSERT INTO kept VALUES (1)")  # waits for no lock of the other's
        assert await kept(connections) == 1


async def test_a_caller_that_is_cancelled_while_it_waits_loses_no_connection(connect: Connect) -> None:
    async with connect(pool_size=1) as connections:
        async with connections.connection():
            waiting = asyncio.create_task(value(connections, "SELECT 1"))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        assert await value(connections, "SELECT 1") == 1


async def test_a_statement_that_takes_too_long_is_given_up_by_the_server(connect: Connect) -> None:
    async with connect(statement_timeout=SHORT) as connections:
        with pytest.raises(StorageUnavailable) as raised:
            await value(connections, "SELECT pg_sleep(60)")
        assert isinstance(raised.value.__cause__, asyncpg.QueryCanceledError)
        assert await value(connections, "SELECT 1") == 1


async def test_an_operation_that_takes_too_long_is_given_up_here(connect: Connect) -> None:
    async with connect(seconds=SHORT, statement_timeout=60) as connections:
        with pytest.raises(StorageUnavailable) as raised:
            await value(connections, "SELECT pg_sleep(60)")
        assert isinstance(raised.value.__cause__, TimeoutError)


async def test_an_operation_may_ask_for_more_time(connect: Connect) -> None:
    async with connect(seconds=SHORT, statement_timeout=SHORT) as connections:
        async with connections.transaction(timeout=DEADLINE) as connection:
            await connection.execute("SELECT pg_sleep($1)", 2 * SHORT)
        with pytest.raises(StorageUnavailable):
            await value(connections, "SELECT pg_sleep(60)")


async def test_who_finds_all_connections_in_use_is_told_so_in_time(connect: Connect) -> None:
    async with connect(pool_size=2, acquire_timeout=SHORT) as connections:
        async with connections.connection(), connections.connection():
            with pytest.raises(StorageBusy) as raised:
                await value(connections, "SELECT 1")
        assert repr(raised.value.__cause__) == "TimeoutError('no connection became free within 1 s')"
        assert await value(connections, "SELECT 1") == 1


async def test_more_callers_than_connections_take_turns(connect: Connect) -> None:
    async with connect(pool_size=2) as connections:
        backends = await asyncio.gather(*(value(connections, "SELECT pg_backend_pid()") for _ in range(20)))
        assert len(set(backends)) <= 2


async def test_nothing_is_answered_after_closing(connect: Connect) -> None:
    async with connect() as connections:
        await connections.close()
        await connections.close()
        with pytest.raises(StorageClosed):
            await value(connections, "SELECT 1")


async def test_closing_waits_for_what_is_under_way_and_turns_away_who_waits(connect: Connect) -> None:
    async with connect(pool_size=1) as connections:
        async with connections.connection() as connection:
            waiting = asyncio.create_task(value(connections, "SELECT 1"))
            await asyncio.sleep(0)
            closing = asyncio.create_task(connections.close())
            await asyncio.sleep(0)
            assert await connection.fetchval("SELECT 1") == 1
        await closing
        with pytest.raises(StorageClosed):
            await waiting


async def test_settings_of_the_session(connect: Connect) -> None:
    async with connect(application_name="a name", statement_timeout=3) as connections:
        assert await value(connections, "SHOW application_name") == "a name"
        assert await value(connections, "SHOW statement_timeout") == "3s"
        assert await value(connections, "SHOW client_connection_check_interval") == "1s"
        assert await value(connections, "SHOW idle_in_transaction_session_timeout") == "3s"
