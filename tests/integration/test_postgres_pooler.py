"""Through PgBouncer in transaction mode: the contract holds, and nobody keeps what others need."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, aclosing
from functools import partial

import grpc
import pytest

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.errors import StorageError
from routeguide.pb import route_guide_pb2_grpc as pb_grpc
from routeguide.storage import open_storage
from routeguide.storage.base import Retention, Storage
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.options import PostgresOptions
from tests.conftest import CHANNEL_OPTIONS
from tests.support import wire
from tests.support.pgbouncer import running_pgbouncer
from tests.support.postgres import Cluster, administer, fresh_database
from tests.support.postgres_locks import blocked, notes_locked
from tests.support.server_process import server_process

HERE, THERE = Point(1, 1), Point(2, 2)

DEADLINE = 20.0
"""Seconds for an operation that nothing holds up, on a busy machine."""


@pytest.fixture(scope="module")
def pooler_port(postgres_cluster: Cluster) -> Iterator[int]:
    with running_pgbouncer(postgres_cluster) as port:
        yield port


@pytest.fixture
def pooled(postgres_cluster: Cluster, pooler_port: int) -> str:
    """The URL of a database that is always there, through PgBouncer."""
    return postgres_cluster.url_of("postgres", port=pooler_port)


POOLER = PostgresOptions(pooler=True, acquire_timeout=DEADLINE, connect_timeout=DEADLINE)


async def test_clients_of_a_pooler_share_sessions(pooled: str) -> None:
    """Many clients, few sessions, arguments and arrays: a statement is never found in the wrong session."""
    connections = await Connections.open(pooled, timeout=DEADLINE, options=POOLER)

    async def ask(number: int) -> list[int]:
        async with connections.connection() as connection:
            await connection.fetch("SELECT * FROM unnest($1::int[], $2::text[])", [1, 2], ["a", "b"])
            return [await connection.fetchval("SELECT $1::int", number + each) for each in range(3)]

    answers = await asyncio.gather(*(ask(number) for number in range(60)))
    assert answers == [[number, number + 1, number + 2] for number in range(60)]
    await connections.close()


async def test_rows_are_copied_through_a_pooler(pooled: str) -> None:
    connections = await Connections.open(pooled, timeout=DEADLINE, options=POOLER)
    async with connections.transaction(timeout=DEADLINE) as connection:
        await connection.execute("CREATE TEMP TABLE staged (number int) ON COMMIT DROP")
        await connection.copy_records_to_table("staged", records=[(each,) for each in range(1000)])
        assert await connection.fetchval("SELECT count(*) FROM staged") == 1000
    await connections.close()


async def test_a_failure_behind_a_pooler_spoils_nothing_for_others(pooled: str) -> None:
    connections = await Connections.open(pooled, timeout=DEADLINE, options=POOLER)
    for _ in range(5):
        with pytest.raises(StorageError):
            async with connections.connection() as connection:
                await connection.fetchval("SELECT 1 / $1::int", 0)
        async with connections.connection() as connection:
            assert await connection.fetchval("SELECT $1::int", 1) == 1
    await connections.close()


async def test_the_contract_holds_through_a_pooler(postgres_cluster: Cluster, pooler_port: int) -> None:
    """Two servers, which migrate at the same time; of any two of their notes exactly one sees the other."""
    async with fresh_database(postgres_cluster) as name:
        open_one = partial(
            open_storage,
            postgres_cluster.url_of(name, port=pooler_port),
            retention=Retention(per_location=1000),
            timeout=DEADLINE,
            postgres=POOLER,
        )
        async with AsyncExitStack() as stack:
            one, other = await asyncio.gather(*(stack.enter_async_context(open_one()) for _ in range(2)))
            await one.features.import_all([Feature("here", HERE), Feature("there", THERE)])
            assert await other.features.find(HERE) == Feature("here", HERE)
            assert await other.features.count_at([HERE, HERE, Point(3, 3)]) == 2
            async with aclosing(other.features.within(Rectangle.GLOBE)) as pages:
                assert [feature.name async for page in pages for feature in page] == ["here", "there"]
            posts = [messages_before(store, number) for number in range(40) for store in (one, other)]
            seen = await asyncio.gather(*posts)
            await other.check()
    assert sorted(map(len, seen)) == list(range(80))


async def messages_before(store: Storage, number: int) -> list[str]:
    return [note.message for note in await store.notes.post(RouteNote(HERE, str(number)))]


@pytest.fixture
async def database(postgres_cluster: Cluster) -> AsyncGenerator[str, None]:
    async with fresh_database(postgres_cluster) as name:
        yield name


async def test_transactions_have_the_limits_that_the_role_lacks(
    postgres_cluster: Cluster, pooler_port: int, database: str
) -> None:
    await administer(postgres_cluster, f"ALTER DATABASE {database} SET statement_timeout = '7s'")
    url = postgres_cluster.url_of(database, port=pooler_port)
    connections = await Connections.open(url, timeout=DEADLINE, options=POOLER)
    async with connections.connection() as connection:
        assert await connection.fetchval("SHOW statement_timeout") == "7s"
        assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") == "3s"
        assert await connection.fetchval("SHOW client_connection_check_interval") == "1s"
    await connections.close()


async def test_a_server_that_freezes_gives_its_location_back(
    postgres_cluster: Cluster, pooler_port: int, database: str
) -> None:
    """It is stopped while its note waits to be stored, so that it never gets to the commit."""
    direct = postgres_cluster.url_of(database)
    pooled = postgres_cluster.url_of(database, port=pooler_port)
    patient = PostgresOptions(statement_timeout=DEADLINE)
    async with (
        server_process(storage_url=pooled, postgres_pooler="true") as server,
        grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel,
        open_storage(direct, timeout=DEADLINE, postgres=patient) as other,
    ):
        stub = pb_grpc.RouteGuideStub(channel)
        async with notes_locked(direct):
            chat = stub.RouteChat(iter([wire.note(1, 1, "of the frozen one")]), timeout=wire.DEADLINE)
            await blocked(direct)
            server.send(signal.SIGSTOP)
        await other.notes.post(RouteNote(HERE, "of the other one"))
        chat.cancel()
