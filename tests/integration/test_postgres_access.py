"""Ways to a PostgreSQL database: over TLS, with a password that rotates, by the variables of libpq."""

from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from routeguide.errors import StorageUnavailable, StorageUnusable
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.options import PostgresOptions
from tests.support.certificates import Certificates
from tests.support.postgres import PASSWORD, SUPERUSER, Cluster, administer, running_cluster

DEADLINE = 20.0
"""Seconds for an operation that nothing holds up, on a busy machine."""


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
    with pytest.raises(StorageUnavailable, match="it does not speak TLS"):
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
