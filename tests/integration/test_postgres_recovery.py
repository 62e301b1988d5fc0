"""What goes wrong with connections to PostgreSQL: what is told of it, and what it costs the next."""

import asyncio
from contextlib import ExitStack

import pytest

from routeguide.errors import (
    StorageBusy,
    StorageError,
    StorageFull,
    StorageUnavailable,
    StorageUnusable,
)
from routeguide.redaction import shown
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.pool import Connection
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used
from tests.support.postgres import Cluster
from tests.support.postgres_connections import DEADLINE, SHORT, Connect, value
from tests.support.tcp_proxy import tcp_proxy
from tests.support.unprivileged import free_port


def raising(state: str) -> str:
    """A statement that fails with SQLSTATE `state`."""
    return f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"


async def backends(connections: Connections) -> set[int]:
    """The processes that serve two connections at the same time."""
    async with connections.connection() as one, connections.connection() as other:
        return {await each.fetchval("SELECT pg_backend_pid()") for each in (one, other)}


async def others_ended() -> None:
    """Returns when this task is alone: the driver takes leave of old connections in tasks of its own."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=DEADLINE)


async def test_a_connection_that_broke_is_replaced(connect: Connect) -> None:
    async with connect(pool_size=1) as connections:
        with pytest.raises(StorageUnavailable):
            await value(connections, "SELECT pg_terminate_backend(pg_backend_pid())")
        assert await value(connections, "SELECT 1") == 1


async def test_a_read_only_server_is_left_by_all_connections(connect: Connect) -> None:
    async with connect(pool_size=2) as connections:
        before = await backends(connections)
        with pytest.raises(StorageUnavailable):
            await value(connections, raising("25006"))
        assert not before & await backends(connections)
        await others_ended()


async def test_silence_is_met_by_one_operation_alone(connect: Connect, postgres_cluster: Cluster) -> None:
    """A host that is gone hangs up on nobody: whoever took the next old connection would wait in vain too."""
    async with tcp_proxy(postgres_cluster.port) as proxy:
        url = postgres_cluster.url_of("postgres", port=proxy.port)
        async with connect(url=url) as connections:
            before = await backends(connections)
            proxy.silence()
            connections._timeout = SHORT
            with pytest.raises(StorageUnavailable) as raised:
                await value(connections, "SELECT 1")
            assert repr(raised.value.__cause__) == "TimeoutError('no answer within 1 s')"
            connections._timeout = DEADLINE
            assert not before & await backends(connections)
    await others_ended()


async def test_a_connection_that_broke_between_two_statements_is_nobodys_fault(connect: Connect) -> None:
    async with connect() as connections:
        with pytest.raises(StorageUnavailable):  # noqa: PT012  # the connection has to be lost within
            async with connections.transaction() as connection:
                await lose(connection, connections)
                await connection.execute("SELECT 1")
        assert await value(connections, "SELECT 1") == 1


async def test_a_connection_that_broke_hides_no_error_of_its_users(connect: Connect) -> None:
    async with connect() as connections:
        with pytest.raises(KeyError):  # noqa: PT012  # the connection has to be lost within
            async with connections.transaction() as connection:
                await lose(connection, connections)
                raise KeyError


async def lose(connection: Connection, connections: Connections) -> None:
    """Returns when the driver knows that the server has hung up."""
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    await value(connections, f"SELECT pg_terminate_backend({backend})")
    async with asyncio.timeout(DEADLINE):
        await lost.wait()


async def test_misuse_of_the_driver_is_not_taken_for_an_outage(connect: Connect) -> None:
    async with connect(pool_size=1) as connections:
        with pytest.raises(StorageError) as raised:
            async with connections.connection() as connection:
                await connection.fetchval("SELECT $1::int", 1, 2)
        assert type(raised.value) is StorageError
        assert await value(connections, "SELECT 1") == 1


async def test_a_frozen_server_holds_up_neither_rollback_nor_closing(
    connect: Connect, postgres_cluster: Cluster
) -> None:
    async with connect(seconds=SHORT) as connections:
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(StorageUnavailable):
                await fail_once_frozen(connections, postgres_cluster)
        connections._timeout = DEADLINE
        assert await value(connections, "SELECT 1") == 1
        connections._timeout = SHORT
        async with asyncio.timeout(DEADLINE):
            with postgres_cluster.paused():
                await connections.close()


async def fail_once_frozen(connections: Connections, cluster: Cluster) -> None:
    """Leaves a transaction by an exception, at a time when the server does not answer."""
    with ExitStack() as frozen:
        async with connections.transaction() as connection:
            await connection.execute("SELECT 1")
            frozen.enter_context(cluster.paused())
            raise KeyError


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("53100", StorageFull),
        ("53300", StorageBusy),
        ("40P01", StorageUnavailable),
        ("58030", StorageUnavailable),
        ("3D000", StorageUnavailable),
        ("22012", StorageError),
        ("42P01", StorageError),
    ],
)
async def test_the_state_tells_the_error(connect: Connect, state: str, expected: type[StorageError]) -> None:
    async with connect() as connections:
        with pytest.raises(StorageError) as raised:
            await value(connections, raising(state))
        assert type(raised.value) is expected
        assert state not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("/postgres", "/missing"), "there is no such database (SQLSTATE 3D000)"),
        (("only", "wrong"), "the database refuses the user or the password (SQLSTATE 28P01)"),
    ],
)
async def test_what_is_wrong_at_opening_is_told(
    postgres_cluster: Cluster, change: tuple[str, str], reason: str
) -> None:
    url = postgres_cluster.url.replace(*change)
    with pytest.raises((StorageUnavailable, StorageUnusable)) as raised:
        await Connections.open(url, timeout=DEADLINE)
    assert str(raised.value) == f"{shown(url)}: {reason}"


async def test_nobody_listening_is_told_at_opening() -> None:
    url = f"postgresql://someone:secret@127.0.0.1:{free_port()}/routeguide?password=secret"
    with pytest.raises(StorageUnavailable, match="nobody listens there") as raised:
        await Connections.open(url, timeout=DEADLINE)
    assert "secret" not in str(raised.value)
