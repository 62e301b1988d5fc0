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
from bench.postgres import durable_cluster
from bench.processes import Server, routeguide
from bench.synthetic import HUNDRED, locations, write
from bench.tables import markdown
from routeguide.conversion import point_to_pb, rectangle_to_pb
from routeguide.domain.models import Point
from routeguide.pb import route_guide_pb2_grpc as pb_grpc
from tests.support.cluster import administer

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
    imported: dict[str, Cost]
    """The import of `MANY` features, by backend that outlives its process."""
    exported: dict[str, Cost]

    def ratios(self) -> dict[tuple[str, str, str], float]:
        """How many times as long a call takes among `MANY` features as among `FEW`."""
        return {
            (method, backend, clock): seconds[method, backend, MANY] / seconds[method, backend, FEW]
            for clock, seconds in (("wall", self.wall), ("cpu", self.cpu))
            for method, backend, count in seconds
            if count == MANY
        }

    @property
    def backends(self) -> Sequence[str]:
        return [backend for backend, count in self.megabytes if count == MANY]


async def scale() -> str:
    """The measurement as tables."""
    result = await measure(rounds=40)
    return "\n\n".join([times_table(result), _memory_table(result), bulk_table(result)])


def times_table(result: Scale) -> str:
    """What one call takes among few and among many features."""
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
        for backend in result.backends
    ]
    wall, cpu = ([f"{clock}, {count:,}" for count in (FEW, MANY)] for clock in ("client", "server"))
    return markdown(["µs", *wall, "ratio", *cpu, "ratio"], rows)


def _memory_table(result: Scale) -> str:
    rows = [
        [backend, *(f"{result.megabytes[backend, count]:,.0f}" for count in (FEW, MANY))]
        for backend in result.backends
    ]
    return markdown(["MB of the server", f"{FEW:,}", f"{MANY:,}"], rows)


def bulk_table(result: Scale) -> str:
    """What moving all features at once takes."""
    rows = [
        [f"{name}, {backend}", f"{cost.seconds:.0f}", f"{cost.megabytes:.0f}"]
        for name, costs in (("import", result.imported), ("export", result.exported))
        for backend, cost in costs.items()
    ]
    return markdown([f"{MANY:,} features", "s", "MB at most"], rows)


async def measure(*, rounds: int, backends: Sequence[str] = BACKENDS) -> Scale:
    """Calls servers with few and with many features in turn, so that noise meets all of them alike."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        urls = {backend: await _urls(backend, folder, stack) for backend in backends}
        durable = [backend for backend in backends if backend != "memory"]
        file, copy = write(folder, MANY), folder / "exported.json"
        imported = {
            each: await asyncio.to_thread(import_features, file, urls[each][MANY]) for each in durable
        }
        exported = {
            each: await asyncio.to_thread(export_features, copy, urls[each][MANY]) for each in durable
        }
        clients = {
            (backend, count): await stack.enter_async_context(_client(url, count, folder))
            for backend in backends
            for count, url in urls[backend].items()
        }
        wall, cpu = await _sample(clients, rounds)
        megabytes = {key: client.server.resident_megabytes() for key, client in clients.items()}
    return Scale(wall, cpu, megabytes, imported, exported)


async def _urls(backend: str, folder: Path, stack: AsyncExitStack) -> dict[int, str]:
    """A store of `backend` for few features and one for many; a server of the bench's own is in `stack`."""
    if backend == "postgres":
        cluster = stack.enter_context(durable_cluster())
        for count in (FEW, MANY):
            await administer(cluster, f"CREATE DATABASE features_{count}")
        return {count: cluster.url_of(f"features_{count}") for count in (FEW, MANY)}
    if backend == "sqlite":
        return {count: f"sqlite:///{folder}/{count}.db" for count in (FEW, MANY)}
    return dict.fromkeys((FEW, MANY), "memory://")


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
async def _client(url: str, count: int, folder: Path) -> AsyncGenerator[_Client, None]:
    """A client of a server that has `count` features at `url`."""
    flags = ("--storage-url", url, "--seed-features", str(write(folder, count)))
    async with routeguide(*flags) as server, grpc.aio.insecure_channel(server.address) as channel:
        yield _Client(server, channel, locations(_LOOKUPS, of=count))
