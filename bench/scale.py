"""What a million features cost that a hundred do not: in time for each call, in memory, and to import."""

import asyncio
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import grpc

from bench.processes import Server, routeguide
from bench.synthetic import HUNDRED, locations, write
from bench.tables import markdown
from routeguide.conversion import point_to_pb, rectangle_to_pb
from routeguide.domain.models import Point
from routeguide.pb import route_guide_pb2_grpc as pb_grpc

if TYPE_CHECKING:
    from routeguide.pb.route_guide_pb2_grpc import RouteGuideAsyncStub as Stub

FEW, MANY = 100, 1_000_000
BACKENDS = ("sqlite", "memory")

_DEADLINE = 30.0
_IMPORT_DEADLINE = 300.0
_LOOKUPS, _LISTINGS = 100, 10
"""Calls in one sample, one after the other."""

_RECTANGLE = rectangle_to_pb(HUNDRED)

_Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Scale:
    """What was measured; times are medians in seconds for one call."""

    seconds: dict[_Key, float]
    """By method, backend and number of features."""
    megabytes: dict[tuple[str, int], float]
    """Memory of the server after the calls, by backend and number of features."""
    imported: float
    """Seconds for the import of `MANY` features into SQLite."""

    def ratio(self, method: str, backend: str) -> float:
        """How many times as long a call takes among `MANY` features as among `FEW`."""
        return self.seconds[method, backend, MANY] / self.seconds[method, backend, FEW]


async def scale() -> str:
    """The measurement as tables."""
    result = await measure(rounds=40)
    rows = [
        [
            f"{method}, {backend}",
            *(f"{result.seconds[method, backend, count] * 1e6:,.0f}" for count in (FEW, MANY)),
            f"{result.ratio(method, backend):.2f}",
            *(f"{result.megabytes[backend, count]:,.0f}" for count in (FEW, MANY)),
        ]
        for method in ("GetFeature", "ListFeatures")
        for backend in BACKENDS
    ]
    header = ["", f"µs, {FEW}", f"µs, {MANY:,}", "ratio", f"MB, {FEW}", f"MB, {MANY:,}"]
    return f"{markdown(header, rows)}\n\nImporting {MANY:,} features into SQLite: {result.imported:.0f} s."


async def measure(*, rounds: int) -> Scale:
    """Calls servers with few and with many features in turn, so that noise meets all of them alike."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        imported = await asyncio.to_thread(_import, folder)
        clients = {
            (backend, count): await stack.enter_async_context(_client(backend, count, folder))
            for backend in BACKENDS
            for count in (FEW, MANY)
        }
        seconds = await _sample(clients, rounds)
        megabytes = {key: client.server.resident_megabytes() for key, client in clients.items()}
    return Scale(seconds, megabytes, imported)


async def _sample(clients: Mapping[tuple[str, int], "_Client"], rounds: int) -> dict[_Key, float]:
    samples: dict[_Key, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for (backend, count), client in clients.items():
            samples["GetFeature", backend, count].append(await client.time_lookups())
            samples["ListFeatures", backend, count].append(await client.time_listings())
    return {key: median(each) for key, each in samples.items()}


class _Client:
    """Makes calls one after the other and takes the time of each kind."""

    def __init__(self, server: Server, channel: grpc.aio.Channel, places: Sequence[Point]) -> None:
        self.server = server
        self._stub: Stub = pb_grpc.RouteGuideStub(channel)
        self._points = [point_to_pb(place) for place in places]

    async def time_lookups(self) -> float:
        """Seconds for one GetFeature, at places all over the order of import."""
        started = time.perf_counter()
        for point in self._points:
            feature = await self._stub.GetFeature(point, timeout=_DEADLINE)
            if not feature.name:
                raise RuntimeError(f"there is no feature at {point}")
        return (time.perf_counter() - started) / len(self._points)

    async def time_listings(self) -> float:
        """Seconds for one ListFeatures that is answered with a hundred features."""
        started = time.perf_counter()
        for _ in range(_LISTINGS):
            found = [each async for each in self._stub.ListFeatures(_RECTANGLE, timeout=_DEADLINE)]
            if len(found) != 100:
                raise RuntimeError(f"{len(found)} features are in the rectangle of a hundred")
        return (time.perf_counter() - started) / _LISTINGS


@asynccontextmanager
async def _client(backend: str, count: int, folder: Path) -> AsyncGenerator[_Client, None]:
    """A client of a server that has `count` features in `backend`."""
    url = _database(folder, count) if backend == "sqlite" else "memory://"
    flags = ("--storage-url", url, "--seed-features", str(write(folder, count)))
    async with routeguide(*flags) as server, grpc.aio.insecure_channel(server.address) as channel:
        yield _Client(server, channel, locations(_LOOKUPS, of=count))


def _import(folder: Path) -> float:
    """Seconds that the command needs to import `MANY` features into SQLite, its start included."""
    file = write(folder, MANY)
    command = [sys.executable, "-m", "routeguide", "features", "import", str(file)]
    started = time.perf_counter()
    subprocess.run(  # noqa: S603  # the command is made above
        [*command, "--storage-url", _database(folder, MANY)],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=_IMPORT_DEADLINE,
    )
    return time.perf_counter() - started


def _database(folder: Path, count: int) -> str:
    return f"sqlite:///{folder}/{count}.db"
