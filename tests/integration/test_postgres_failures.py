"""A PostgreSQL that fails: what calls are told meanwhile, and how soon they are served again.

Each test prints the seconds from the moment at which the database is there again to the first note and the
first feature; `docs/postgres.md` has a table of them. Together they take about a minute. Servers have the
default `unary_timeout`: a call that outlasts it ends with a status that `steady_load` does not let pass.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import grpc
import pytest

from routeguide.pb import route_guide_pb2_grpc as pb_grpc
from tests.conftest import CHANNEL_OPTIONS
from tests.support import commands
from tests.support.postgres import Cluster, fresh_database, running_cluster
from tests.support.postgres_locks import blocked, notes_locked
from tests.support.postgres_standby import running_standby
from tests.support.server_process import ServerProcess, server_process
from tests.support.steady_load import FIRST_LOOK, SteadyLoad, steady_load
from tests.support.tcp_proxy import tcp_proxy
from tests.support.unprivileged import free_port
from tests.support.wire import DEADLINE, drained, failure, note, reason, rectangle

pytestmark = pytest.mark.timeout(180)

RESUMES_WITHIN = 5.0
"""Seconds that are promised; what is measured is a small part of it."""

LONGEST_CALL = 10.0
"""Seconds: the default of `unary_timeout`. What ends a call before that is the storage's own timeouts."""

QUICK = {"storage_timeout": "2.5", "postgres_acquire_timeout": "2", "postgres_connect_timeout": "2"}
"""Twice 2.5 s, which calls may take, are far from the bound above even on a busy machine."""

PAUSE = 10.0
"""Seconds for which a database is frozen: longer than any operation on it may take."""

Report = Callable[[str, float, SteadyLoad], None]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One that these tests may ruin, as long as they mend it."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
async def database(cluster: Cluster) -> AsyncGenerator[str, None]:
    async with fresh_database(cluster) as name:
        yield name


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Report:
    """Prints the time to recovery, and holds the server to what is promised."""

    def told(failure: str, seconds: float, load: SteadyLoad) -> None:
        with capsys.disabled():
            told = f"{failure}: served again after {seconds:.2f} s, longest call {load.longest():.1f} s"
            print(f"\n{told}")  # noqa: T201  # this is what it is for
        assert seconds < RESUMES_WITHIN
        assert load.longest() < LONGEST_CALL

    return told


@asynccontextmanager
async def serving(url: str, **settings: str) -> AsyncGenerator[ServerProcess, None]:
    """A server on the database at `url`, which keeps every note."""
    async with server_process(storage_url=url, notes_per_location="10000", **settings) as server:
        yield server
        assert await server.stop() == 0


async def test_a_server_that_finds_no_database_says_so_and_ends() -> None:
    port = free_port()
    finished = await commands.run(
        "serve", "--listen=localhost:0", f"--storage-url=postgresql://me:secret@127.0.0.1:{port}/routeguide"
    )
    assert finished.code == 1
    assert f"Error: postgresql://127.0.0.1:{port}/routeguide: nobody listens there" in finished.err
    assert "secret" not in finished.err


async def test_a_server_that_finds_a_silent_database_says_so_and_ends(cluster: Cluster) -> None:
    with cluster.paused():
        finished = await commands.run("serve", "--listen=localhost:0", f"--storage-url={cluster.url}")
    assert finished.code == 1
    assert "it does not answer in time" in finished.err


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_the_database_is_restarted(cluster: Cluster, database: str, mode: str, report: Report) -> None:
    async with serving(cluster.url_of(database)) as server, steady_load(server.address) as load:
        stopped = time.monotonic()
        await asyncio.to_thread(cluster.stop, mode)
        try:
            await load.refused("RouteChat", since=stopped)
            await load.refused("GetFeature", since=stopped)
        finally:
            await asyncio.to_thread(cluster.start)
        report(f"restarted ({mode})", await load.recovery(since=time.monotonic()), load)


async def test_the_database_is_frozen(cluster: Cluster, database: str, report: Report) -> None:
    url = cluster.url_of(database)
    async with serving(url, **QUICK) as server, steady_load(server.address) as load:
        with cluster.paused():
            frozen = time.monotonic()
            await asyncio.sleep(PAUSE)  # is what happens, not a wait for something
            await load.refused("RouteChat", since=frozen)
            await load.refused("GetFeature", since=frozen)
        report(f"frozen for {PAUSE:g} s", await load.recovery(since=time.monotonic()), load)


async def test_the_database_fails_over(cluster: Cluster, database: str, report: Report) -> None:
    """First its connections are cut, then it takes no notes, then it takes them elsewhere."""
    async with tcp_proxy(cluster.port) as proxy:
        url = cluster.url_of(database, port=proxy.port)
        with running_standby(cluster) as standby, waiting_for_standby(cluster):
            async with serving(url) as server, steady_load(server.address) as load:
                proxy.target = None
                await proxy.cut()
                await load.refused("RouteChat", since=time.monotonic())
                proxy.target = standby.port
                await load.refused("RouteChat", since=time.monotonic())
                await asyncio.to_thread(standby.promote)
                report("failed over", await load.recovery(since=time.monotonic()), load)


async def test_the_database_vanishes(cluster: Cluster, database: str, report: Report) -> None:
    """Its connections are not cut but silent, all of them at once; its name leads elsewhere already."""
    async with tcp_proxy(cluster.port) as proxy:
        url = cluster.url_of(database, port=proxy.port)
        async with (
            serving(url, **QUICK | {"storage_timeout": "1.5", "postgres_acquire_timeout": "1"}) as server,
            steady_load(server.address) as load,
        ):
            await fill_pool(server)
            vanished = time.monotonic()
            proxy.silence()
            report("vanished", await load.recovery(since=vanished), load)


async def fill_pool(server: ServerProcess) -> None:
    """Each listing takes a connection of its own."""
    async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
        stub = pb_grpc.RouteGuideStub(channel)
        everywhere = rectangle(-900000000, -1800000000, 900000000, 1800000000)
        listings = [drained(stub.ListFeatures(everywhere, timeout=DEADLINE)) for _ in range(20)]
        await asyncio.gather(*listings)


@contextmanager
def waiting_for_standby(cluster: Cluster) -> Iterator[None]:
    """Commits wait until the standby has them, as those of a Multi-AZ database do: so none is lost."""
    cluster.configure(synchronous_standby_names="*")
    cluster.reload()
    try:
        yield
    finally:
        cluster.configure(synchronous_standby_names="")
        cluster.reload()


async def test_the_database_takes_no_notes_for_a_while(
    cluster: Cluster, database: str, report: Report
) -> None:
    """Connections stay, and find themselves on a server that has become read-only."""
    async with serving(cluster.url_of(database)) as server, steady_load(server.address) as load:
        cluster.configure(default_transaction_read_only="on")
        await asyncio.to_thread(cluster.reload)
        await load.refused("RouteChat", since=time.monotonic())
        cluster.configure(default_transaction_read_only="off")
        await asyncio.to_thread(cluster.reload)
        report("read-only for a while", await load.recovery(since=time.monotonic()), load)


async def test_somebody_holds_a_lock_for_too_long(cluster: Cluster, database: str, report: Report) -> None:
    """Statements that wait for it are given up, the others are answered."""
    url = cluster.url_of(database)
    async with serving(url, postgres_statement_timeout="2") as server, steady_load(server.address) as load:
        async with notes_locked(url):
            locked = time.monotonic()
            await load.refused("RouteChat", since=locked)
            looked = await load.answered(lambda each: each.rpc == "GetFeature" and each.begun > locked)
            assert looked.code is grpc.StatusCode.OK
        report("statements timed out", await load.recovery(since=time.monotonic()), load)


async def test_all_connections_are_in_use(cluster: Cluster, database: str, report: Report) -> None:
    """That is no reason for a balancer to send the calls to other servers, which use the same database."""
    url = cluster.url_of(database)
    settings = {"postgres_pool_size": "1", "postgres_acquire_timeout": "0.2", "storage_probe_interval": "0.1"}
    async with serving(url, **settings) as server, steady_load(server.address) as load:
        async with notes_locked(url):
            refused = await load.refused("GetFeature", since=time.monotonic())
            assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            await load.refused("GetFeature", since=refused.ended + 1)  # the store was asked meanwhile
        report("pool exhausted", await load.recovery(since=time.monotonic()), load)
        assert "storage lost" not in {entry["event"] for entry in server.log}


async def test_what_a_client_is_told_of_an_exhausted_pool(cluster: Cluster, database: str) -> None:
    url = cluster.url_of(database)
    settings = {"postgres_pool_size": "1", "postgres_acquire_timeout": "0.2", "storage_probe_interval": "60"}
    async with (
        serving(url, **settings) as server,
        grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel,
    ):
        stub = pb_grpc.RouteGuideStub(channel)
        async with notes_locked(url):
            waiting = asyncio.create_task(
                drained(stub.RouteChat(iter([note(1, 1, "waits")]), timeout=DEADLINE))
            )
            await blocked(url)
            error = await failure(stub.GetFeature(FIRST_LOOK, timeout=DEADLINE))
        assert (error.code(), reason(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_BUSY")
        assert error.details() == "the store has too much to do; try again"
        await asyncio.wait([waiting])
