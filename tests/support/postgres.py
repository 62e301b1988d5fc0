"""PostgreSQL for tests: one cluster for most of them, and an empty database for each that asks."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count

import pytest

from routeguide.storage.postgres.options import PostgresOptions
from tests.support import cluster
from tests.support.cluster import DEADLINE, PASSWORD, SUPERUSER, Cluster, administer
from tests.support.skipping import skipping_where_unavailable

__all__ = [
    "DEADLINE",
    "PASSWORD",
    "PATIENT",
    "SUPERUSER",
    "Cluster",
    "administer",
    "fresh_database",
    "postgres_cluster",
    "postgres_url",
    "running_cluster",
]

PATIENT = PostgresOptions(statement_timeout=DEADLINE, acquire_timeout=DEADLINE, connect_timeout=DEADLINE)
"""For tests that are about something else than times: a busy machine takes its own."""

_numbers = count(1)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A cluster of its own; skips the test, or fails it in CI, where there is none."""
    with skipping_where_unavailable(), cluster.running_cluster() as running:
        yield running


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """One for all tests that do no harm to it."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
async def postgres_url(postgres_cluster: Cluster) -> AsyncGenerator[str, None]:
    """The URL of an empty database, which nobody else uses."""
    async with fresh_database(postgres_cluster) as name:
        yield postgres_cluster.url_of(name)


@asynccontextmanager
async def fresh_database(cluster: Cluster) -> AsyncGenerator[str, None]:
    """The name of an empty database; it is dropped at the end, whoever is still connected."""
    name = f"test_{next(_numbers)}"
    await administer(cluster, f"CREATE DATABASE {name}")
    try:
        yield name
    finally:
        await administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")
