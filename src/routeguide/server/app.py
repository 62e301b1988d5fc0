"""The lifespan of a server: what is opened, in which order, and how it ends.

settings → storage (schema checked, seeded) → listening, not ready → ready → (SIGTERM) not ready →
drain delay, still serving → listener closed, calls in flight finish within the grace → handlers awaited →
storage closed.
"""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import grpc
import structlog

from routeguide import __version__
from routeguide.pb import route_guide_pb2
from routeguide.server.health import SERVICE as HEALTH_SERVICE
from routeguide.server.health import HealthServicer
from routeguide.server.interceptor import Interceptor
from routeguide.server.listening import listen
from routeguide.server.methods import Method, MethodTable
from routeguide.server.readiness import Readiness, State
from routeguide.server.reflection import ReflectionServicer
from routeguide.server.servicer import RouteGuideServicer
from routeguide.service.route_guide import Limits, RouteGuide
from routeguide.service.seeding import seed
from routeguide.settings import Settings, masked
from routeguide.storage import open_storage
from routeguide.storage.base import Retention, Storage

SERVICE = route_guide_pb2.DESCRIPTOR.services_by_name["RouteGuide"].full_name

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that is listening and ready."""

    host: str
    port: int

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then drains. A second signal ends the process at once.

    Raises:
        SettingsError, StorageError, FeatureFileError: the server cannot start; nothing is left open.
    """
    ready, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(_serve_until(stop, settings, ready))
    # Starting may take long: a million features to seed. It undoes itself when it is cancelled.
    _on_first_signal(lambda: stop.set() if ready.is_set() else running.cancel())
    await asyncio.wait([running])
    if running.cancelled():
        _log.info("stopped before it was ready")
    else:
        running.result()


async def _serve_until(stop: asyncio.Event, settings: Settings, ready: asyncio.Event) -> None:
    async with serving(settings):
        ready.set()
        await stop.wait()


@asynccontextmanager
async def serving(settings: Settings) -> AsyncGenerator[RunningServer, None]:
    """A server that listens and is ready inside the block, and has drained and closed after it."""
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(_open_store(settings))
        readiness = Readiness()
        interceptor = Interceptor()
        server = grpc.aio.server(options=_options(settings))
        server.add_generic_rpc_handlers(
            (MethodTable(_methods(settings, storage, readiness), interceptor),),
        )
        stack.push_async_callback(server.stop, None)  # for a start that fails; after a drain it does nothing
        port = listen(server, settings.listen)
        await server.start()
        stack.push_async_callback(_drain, server, readiness, interceptor, settings)
        readiness.become(State.READY)
        running = RunningServer(_host(settings.listen), port)
        _log.info("serving", address=running.address, version=__version__)
        yield running


@asynccontextmanager
async def _open_store(settings: Settings) -> AsyncGenerator[Storage, None]:
    retention = Retention(settings.notes_per_location, settings.notes_total, settings.notes_max_age)
    async with open_storage(
        settings.storage_url,
        retention=retention,
        timeout=settings.storage_timeout,
        auto_migrate=settings.auto_migrate,
    ) as storage:
        seeded = await seed(storage, settings.seed_features)
        count = await storage.features.count()
        _log.info("storage open", url=masked(settings.storage_url), features=count, seeded=seeded)
        yield storage
    _log.info("storage closed")


def _methods(settings: Settings, storage: Storage, readiness: Readiness) -> list[Method]:
    guide = RouteGuide(storage, Limits(settings.max_note_bytes, settings.max_stream_messages))
    methods = RouteGuideServicer(guide).methods(SERVICE)
    methods += HealthServicer(readiness, [SERVICE]).methods()
    if settings.reflection:
        methods += ReflectionServicer([SERVICE, HEALTH_SERVICE]).methods()
    return methods


def _options(settings: Settings) -> list[tuple[str, int]]:
    return [
        # Left at its default of 1, a second server on the same port silently gets half of the connections.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", settings.max_request_bytes),
    ]


async def _drain(
    server: grpc.aio.Server, readiness: Readiness, interceptor: Interceptor, settings: Settings
) -> None:
    """Lets go of the callers first, then of the calls."""
    started = time.monotonic()
    readiness.become(State.DRAINING)
    _log.info("draining", delay=settings.drain_delay, grace=settings.stop_grace)
    await asyncio.sleep(settings.drain_delay)
    stopping = asyncio.create_task(server.stop(settings.stop_grace))
    readiness.become(State.STOPPING)
    await stopping
    await interceptor.finished()
    _log.info("stopped", seconds=round(time.monotonic() - started, 3))


def _on_first_signal(begin_to_stop: Callable[[], object]) -> None:
    """Calls `begin_to_stop` at the first signal; the next one has its default effect: it ends the process."""
    loop = asyncio.get_running_loop()

    def act() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        begin_to_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, act)


def _host(address: str) -> str:
    return address.removesuffix(f":{urlsplit(f'//{address}').port}")
