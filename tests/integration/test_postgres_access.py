"""Ways to a PostgreSQL database: through PgBouncer, over TLS, with a password that rotates."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, aclosing
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.errors import StorageError, StorageUnavailable, StorageUnusable
from routeguide.storage import open_storage
from routeguide.storage.base import Retention, Storage
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.options import PostgresOptions
from tests.support.certificates import Certificates
from tests.support.pgbouncer import running_pgbouncer
from tests.support.postgres import PASSWORD, SUPERUSER, Cluster, administer, fresh_database, running_cluster

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


async def test_the_password_is_read_again_when_it_rotates(postgres_cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "password"
    url = f"postgresql://rotating@127.0.0.1:{postgres_cluster.port}/postgres"
    await administer(postgres_cluster, "CREATE ROLE rotating LOGIN PASSWORD 'first'")
    try:
        file.write_text("first\n")
        connections = await Connections.open(
            url, timeout=DEADLINE, options=PostgresOptions(password_file=str(file))
        )
        await administer(postgres_cluster, "ALTER ROLE rotating PASSWORD 'second'")
        await break_connections(postgres_cluster, "rotating")
        with pytest.raises(StorageUnavailable) as raised:
            await ask(connections)
        assert isinstance(raised.value.__cause__, asyncpg.InvalidPasswordError)
        file.write_text('{"username": "rotating", "password": "second"}')
        assert await ask(connections) == 1
        await connections.close()
    finally:
        await administer(postgres_cluster, "DROP ROLE rotating")


async def break_connections(cluster: Cluster, role: str) -> None:
    """Ends the sessions of `role`, and waits until they are gone."""
    query = f"SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE usename = '{role}'"  # noqa: S608  # a literal of this test
    await administer(cluster, query)


async def ask(connections: Connections) -> int:
    async with connections.connection() as connection:
        return int(await connection.fetchval("SELECT 1"))


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Certificates]]:
    """A cluster that speaks TLS alone, and the certificates that it has."""
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    with running_cluster() as cluster:
        cluster.serve_tls(certificates.server.certificate, certificates.server.key)
        yield cluster, certificates


async def test_the_certificate_of_the_server_is_verified(encrypted: tuple[Cluster, Certificates]) -> None:
    cluster, certificates = encrypted
    options = PostgresOptions(tls_mode="verify-full", tls_ca_file=str(certificates.ca_file))
    connections = await Connections.open(cluster.url, timeout=DEADLINE, options=options)
    async with connections.connection() as connection:
        assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    await connections.close()


async def test_a_certificate_of_another_authority_is_refused(
    encrypted: tuple[Cluster, Certificates], tmp_path: Path
) -> None:
    cluster, _ = encrypted
    options = PostgresOptions(tls_mode="verify-full", tls_ca_file=str(Certificates(tmp_path).ca_file))
    with pytest.raises(StorageUnusable, match="its certificate is not trusted, or is for another name"):
        await Connections.open(cluster.url, timeout=DEADLINE, options=options)


async def test_a_certificate_for_another_name_is_refused(encrypted: tuple[Cluster, Certificates]) -> None:
    cluster, certificates = encrypted
    url = cluster.url.replace("127.0.0.1", "127.0.0.2")
    options = PostgresOptions(tls_mode="verify-full", tls_ca_file=str(certificates.ca_file))
    with pytest.raises(StorageUnusable, match="its certificate is not trusted, or is for another name"):
        await Connections.open(url, timeout=DEADLINE, options=options)


async def test_plain_text_is_refused_by_a_server_that_wants_tls(
    encrypted: tuple[Cluster, Certificates],
) -> None:
    cluster, _ = encrypted
    with pytest.raises(StorageUnusable, match="refuses the user or the password"):
        await Connections.open(cluster.url, timeout=DEADLINE, options=PostgresOptions(tls_mode="disable"))


async def test_a_server_without_tls_is_refused_where_tls_is_wanted(postgres_cluster: Cluster) -> None:
    with pytest.raises(StorageUnavailable, match="no connection can be made"):
        await Connections.open(
            postgres_cluster.url, timeout=DEADLINE, options=PostgresOptions(tls_mode="require")
        )


async def test_the_variables_of_libpq_complete_the_url(
    postgres_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"HOST": "127.0.0.1", "PORT": postgres_cluster.port, "USER": SUPERUSER, "PASSWORD": PASSWORD}
    for name, value in variables.items():
        monkeypatch.setenv(f"PG{name}", str(value))
    connections = await Connections.open("postgresql:///postgres", timeout=DEADLINE)
    assert await ask(connections) == 1
    await connections.close()
