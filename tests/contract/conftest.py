"""The backends, each behind the same door, so that one suite holds all of them to the contract."""

import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.storage.base import Retention, Storage
from routeguide.storage.memory import MemoryStorage
from routeguide.storage.postgres.opening import Database
from routeguide.storage.postgres.storage import open_postgres
from routeguide.storage.sqlite.connection import DatabaseFile
from routeguide.storage.sqlite.storage import open_sqlite
from routeguide.storage.timed import TimedStorage
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used
from tests.support.postgres import DEADLINE, PATIENT, Cluster, administer

DEFAULTS = Retention()

OpenStore = Callable[..., AbstractAsyncContextManager[Storage]]


DURABLE = ["sqlite", "postgres"]
"""The backends that outlive their process."""

_schemas = count(1)


@pytest.fixture(params=[*DURABLE, "memory", "timed"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def postgres_schema_url(postgres_cluster: Cluster) -> AsyncGenerator[str, None]:
    """The URL of an empty schema, which takes a tenth of the time of a database of its own."""
    name = f"contract_{next(_schemas)}"
    await administer(postgres_cluster, f"CREATE SCHEMA {name}")
    yield f"{postgres_cluster.url}?search_path={name}"
    await administer(postgres_cluster, f"DROP SCHEMA {name} CASCADE")


@pytest.fixture
def open_store(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> OpenStore:
    """Opens the same store each time, where the backend is durable."""
    # Only for its backend: the others must not skip where there is no PostgreSQL.
    postgres_url = request.getfixturevalue("postgres_schema_url") if backend == "postgres" else ""

    async def connect(retention: Retention, clock: Callable[[], float]) -> Storage:
        if backend == "memory":
            return MemoryStorage(retention, clock=clock)
        if backend == "timed":
            return TimedStorage(MemoryStorage(retention, clock=clock), lambda _operation, _seconds: None)
        if backend == "postgres":
            database = Database(postgres_url, 2 * DEADLINE, PATIENT)
            return await open_postgres(database, retention=retention, clock=clock)
        file = DatabaseFile(tmp_path / "routeguide.db", timeout=5)
        return await open_sqlite(file, retention=retention, clock=clock)

    @asynccontextmanager
    async def opened(
        retention: Retention = DEFAULTS, clock: Callable[[], float] = time.time
    ) -> AsyncGenerator[Storage, None]:
        storage = await connect(retention, clock)
        try:
            yield storage
        finally:
            await storage.close()

    return opened


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncGenerator[Storage, None]:
    async with open_store() as storage:
        yield storage


class Source:
    """Features to import, which do something to the import after `read` of them."""

    features = tuple(Feature("imported", Point(2, each)) for each in range(3_000))

    def __init__(self, read: int, then: Callable[[], object]) -> None:
        self._read = read
        self._then = then
        self.reached = False

    def __iter__(self) -> Iterator[Feature]:
        yield from self.features[: self._read]
        self.reached = True
        self._then()
        yield from self.features[self._read :]


async def listed(store: Storage, rectangle: Rectangle = Rectangle.GLOBE) -> list[Feature]:
    """All features inside, and that the pages kept to what is promised of them."""
    features: list[Feature] = []
    async with aclosing(store.features.within(rectangle)) as pages:
        async for page in pages:
            assert 0 < len(page) <= 1000
            features.extend(page)
    return features


async def messages_at(store: Storage, location: Point) -> list[str]:
    """What is kept at `location`; asking leaves a note there."""
    return [note.message for note in await store.notes.post(RouteNote(location, "what is here?"))]
