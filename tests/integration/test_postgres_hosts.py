"""A URL that names several hosts: the one that can be used is found, whatever ails those before it."""

import socket

import asyncpg
import pytest

from routeguide.errors import StorageUnavailable
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.hosts import dsn_of_each_host
from routeguide.storage.postgres.options import PostgresOptions
from tests.support.postgres import Cluster
from tests.support.postgres_connections import DEADLINE, value
from tests.support.unprivileged import free_port

SHARE = 3.0
"""Seconds for each host: what a silent one costs here, and what the good one needs on a busy machine."""


async def test_a_silent_host_hides_none_after_it(postgres_cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert await answer_behind(silent.getsockname()[1], postgres_cluster) == 1


async def test_a_host_that_refuses_hides_none_after_it(postgres_cluster: Cluster) -> None:
    assert await answer_behind(free_port(), postgres_cluster) == 1


async def answer_behind(port: int, cluster: Cluster) -> int:
    """What `cluster` answers where something else is asked before it."""
    url = cluster.url.replace("@", f"@127.0.0.1:{port},")
    options = PostgresOptions(connect_timeout=2 * SHARE)
    connections = await Connections.open(url, timeout=DEADLINE, options=options)
    try:
        return int(await value(connections, "SELECT 1"))
    finally:
        await connections.close()


async def test_the_last_host_tells_why_there_is_none() -> None:
    url = f"postgresql://me@127.0.0.1:{free_port()},127.0.0.1:{free_port()}/db"
    with pytest.raises(StorageUnavailable, match="nobody listens there"):
        await Connections.open(url, timeout=DEADLINE)


async def test_a_wrong_password_is_tried_at_one_host_alone(postgres_cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as never_asked:
        never_asked.settimeout(0)
        hosts = f"127.0.0.1:{postgres_cluster.port},127.0.0.1:{never_asked.getsockname()[1]}"
        url = f"postgresql://tests:wrong@{hosts}/postgres"
        with pytest.raises(Exception, match="refuses the user or the password") as raised:
            await Connections.open(url, timeout=DEADLINE)
        assert isinstance(raised.value.__cause__, asyncpg.InvalidPasswordError)
        with pytest.raises(BlockingIOError):
            never_asked.accept()


@pytest.mark.parametrize(
    ("dsn", "each"),
    [
        (
            "postgresql://u:p,w@one:1,[::1]:2/db?a=b,c",
            ["postgresql://u:p,w@one:1/db?a=b,c", "postgresql://u:p,w@[::1]:2/db?a=b,c"],
        ),
        ("postgresql://one/db", ["postgresql://one/db"]),
        ("postgresql:///db?host=/run/a,/run/b", ["postgresql:///db?host=/run/a,/run/b"]),
        ("postgresql://", ["postgresql://"]),
    ],
)
def test_hosts_are_told_from_the_rest(dsn: str, each: list[str]) -> None:
    assert dsn_of_each_host(dsn) == each
