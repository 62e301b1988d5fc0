"""What a million features cost that a hundred do not: in time for each call, in memory, and in bulk."""

import asyncio
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

from bench.bulk import Cost, export_features, import_features
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
METHODS = ("GetFeature", "ListFeatures")

_DEADLINE = 30.0
_LOOKUPS, _LISTINGS = 100, 10
"""Calls in one sample, one after the other."""

_RECTANGLE = rectangle_to_pb(HUNDRED)

_Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Scale:
    """What was measured. Times are medians, in seconds for one call, by method, backend and features."""

    wall: dict[_Key, float]
    """What the client waits, its own work included."""
    cpu: dict[_Key, float]
    """What the server works: the client's share, half of a listing, would hide a slow store."""
    megabytes: dict[tuple[str, int], float]
    """Memory of the server after the calls, by backend and number of features."""
    imported: Cost
    """The import of `MANY` features into SQLite."""
    exported: Cost

    def ratios(self) -> dict[tuple[str, str, str], float]:
        """How many times as long a call takes among `MANY` features as among `FEW`."""
        return {
            (method, backend, clock): seconds[method, backend, MANY] / seconds[method, backend, FEW]
            for method in METHODS
            for backend in BACKENDS
            for clock, seconds in (("wall", self.wall), ("cpu", self.cpu))
        }


async def scale() -> str:
    """The measurement as tables."""
    result = await measure(rounds=40)
    return "\n\n".join([_times(result), _memory(result), _bulk(result)])


def _times(result: Scale) -> str:
    ratios = result.ratios()
    rows = [
        [
            f"{method}, {backend}",
            *(f"{result.wall[method, backend, count] * 1e6:,.0f}" for count in (FEW, MANY)),
            f"{ratios[method, backend, 'wall']:.2f}",
            *(f"{result.cpu[method, backend, count] * 1e6:,.0f}" for count in (FEW, MANY)),
            f"{ratios[method, backend, 'cpu']:.2f}",
        ]
        for method in METHODS
        for backend in BACKENDS
    ]
    wall, cpu = ([f"{clock}, {count:,}" for count in (FEW, MANY)] for clock in ("client", "server"))
    return markdown(["µs", *wall, "ratio", *cpu, "ratio"], rows)


def _memory(result: Scale) -> str:
    rows = [
        [backend, *(f"{result.megabytes[backend, count]:,.0f}" for count in (FEW, MANY))]
        for backend in BACKENDS
    ]
    return markdown(["MB of the server", f"{FEW:,}", f"{MANY:,}"], rows)


def _bulk(result: Scale) -> str:
    rows = [
        [name, f"{cost.seconds:.0f}", f"{cost.megabytes:.0f}"]
        for name, cost in (("import", result.imported), ("export", result.exported))
    ]
    return markdown([f"{MANY:,}, sqlite", "s", "MB at most"], rows)


async def measure(*, rounds: int) -> Scale:
    """Calls servers with few and with many features in turn, so that noise meets all of them alike."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        url = _database(folder, MANY)
        imported = await asyncio.to_thread(import_features, write(folder, MANY), url)
        exported = await asyncio.to_thread(export_features, folder / "exported.json", url)
        clients = {
            (backend, count): await stack.enter_async_context(_client(backend, count, folder))
            for backend in BACKENDS
            for count in (FEW, MANY)
        }
        wall, cpu = await _sample(clients, rounds)
        megabytes = {key: client.server.resident_megabytes() for key, client in clients.items()}
    return Scale(wall, cpu, megabytes, imported, exported)


async def _sample(
    clients: Mapping[tuple[str, int], "_Client"], rounds: int
) -> tuple[dict[_Key, float], dict[_Key, float]]:
    """The wall time and the server's own time of each call."""
    wall: dict[_Key, list[float]] = defaultdict(list)
    cpu: dict[_Key, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for (backend, count), client in clients.items():
            for method in METHODS:
                waited, worked = await client.time(method)
                wall[method, backend, count].append(waited)
                cpu[method, backend, count].append(worked)
    return {key: median(each) for key, each in wall.items()}, {key: median(each) for key, each in cpu.items()}


class _Client:
    """Makes calls one after the other and takes their time."""

    def __init__(self, server: Server, channel: grpc.aio.Channel, places: Sequence[Point]) -> None:
        self.server = server
        self._stub: Stub = pb_grpc.RouteGuideStub(channel)
        self._points = [point_to_pb(place) for place in places]
        self._calls = {"GetFeature": self._look_up, "ListFeatures": self._list}

    async def time(self, method: str) -> tuple[float, float]:
        """Seconds for one call: those that pass, and those that the server works."""
        worked, started = self.server.cpu_seconds(), time.perf_counter()
        count = await self._calls[method]()
        passed = time.perf_counter() - started
        return passed / count, (self.server.cpu_seconds() - worked) / count

    async def _look_up(self) -> int:
        """Places all over the order of import."""
        for point in self._points:
            feature = await self._stub.GetFeature(point, timeout=_DEADLINE)
            if not feature.name:
                raise RuntimeError(f"there is no feature at {point}")
        return len(self._points)

    async def _list(self) -> int:
        """Listings that are answered with a hundred features."""
        for _ in range(_LISTINGS):
            found = [each async for each in self._stub.ListFeatures(_RECTANGLE, timeout=_DEADLINE)]
            if len(found) != 100:
                raise RuntimeError(f"{len(found)} features are in the rectangle of a hundred")
        return _LISTINGS


@asynccontextmanager
async def _client(backend: str, count: int, folder: Path) -> AsyncGenerator[_Client, None]:
    """A client of a server that has `count` features in `backend`."""
    url = _database(folder, count) if backend == "sqlite" else "memory://"
    flags = ("--storage-url", url, "--seed-features", str(write(folder, count)))
    async with routeguide(*flags) as server, grpc.aio.insecure_channel(server.address) as channel:
        yield _Client(server, channel, locations(_LOOKUPS, of=count))


def _database(folder: Path, count: int) -> str:
    return f"sqlite:///{folder}/{count}.db"
