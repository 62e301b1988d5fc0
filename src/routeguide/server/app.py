"""The lifespan of a server: what is opened, in which order, and how it ends.

settings → certificates and tokens → telemetry → storage (schema checked, seeded) → listening, ready →
(SIGTERM) not ready → drain delay, still serving → listener closed, calls in flight finish within the grace →
handlers awaited → storage closed → last metrics sent.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import FrameType
from urllib.parse import urlsplit

import grpc
import structlog

from routeguide import __version__
from routeguide.observability.collector import LAST_EXPORT
from routeguide.pb import route_guide_pb2
from routeguide.redaction import masked
from routeguide.server import runtime
from routeguide.server.admission import Admission
from routeguide.server.auth import TokenAuthority
from routeguide.server.background import in_background
from routeguide.server.call import Method
from routeguide.server.channel import channel_options
from routeguide.server.credentials import open_credentials
from routeguide.server.drain import Timing, drain
from routeguide.server.health import SERVICE as HEALTH_SERVICE
from routeguide.server.health import BalancerCheck, HealthServicer
from routeguide.server.interceptor import Interceptor
from routeguide.server.listening import listen
from routeguide.server.memory_limit import memory_limit_mb
from routeguide.server.methods import MethodTable
from routeguide.server.rate import RateLimiter
from routeguide.server.readiness import Readiness, State
from routeguide.server.reflection import ReflectionServicer
from routeguide.server.reporting import open_telemetry, report_calls, report_state, timed
from routeguide.server.servicer import RouteGuideServicer
from routeguide.server.storage_options import postgres_options
from routeguide.server.storage_probe import StorageProbe
from routeguide.server.supervisor import Budgets, Supervisor
from routeguide.service.route_guide import Limits, LiveLimits, RouteGuide
from routeguide.service.seeding import seed
from routeguide.settings import Settings
from routeguide.storage import library_version, open_storage, second_writer_caution
from routeguide.storage.base import Retention, Storage

SERVICE = route_guide_pb2.DESCRIPTOR.services_by_name["RouteGuide"].full_name

_PROBE_MARGIN = 1.0
"""Seconds that the store has, once it has waited for a lock, to say that it did so in vain."""

_FIRST_OF_CONTAINER = 1
"""The id of its process."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that is listening and ready."""

    host: str
    port: int
    metrics_port: int | None = None
    """Where Prometheus finds its metrics."""

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
        runtime.keep_for_good()  # here and not for each `serving`: a process has one, a test has many
        ready.set()
        await stop.wait()


@asynccontextmanager
async def serving(settings: Settings) -> AsyncGenerator[RunningServer, None]:
    """A server that listens and is ready inside the block, and has drained and closed after it."""
    async with AsyncExitStack() as stack:
        credentials = await stack.enter_async_context(open_credentials(settings))
        tls, authority = credentials.tls, credentials.authority
        telemetry = await stack.enter_async_context(open_telemetry(settings))
        store = await stack.enter_async_context(_open_store(settings))
        storage = timed(store, telemetry.metrics)
        readiness = Readiness(needs_storage=settings.ready_needs_storage)
        supervisor = Supervisor(_budgets(settings))
        await stack.enter_async_context(in_background(supervisor.watch()))
        await stack.enter_async_context(in_background(_probe(settings, storage, readiness).watch()))
        admission = _admission(settings, supervisor, authority)
        interceptor = Interceptor(supervisor, admission, telemetry.observer)
        methods = _methods(settings, storage, readiness)
        if telemetry.metrics is not None:
            report_calls(telemetry.metrics, methods, supervisor, admission)
            report_state(telemetry.metrics, readiness, store, tls)
        server = grpc.aio.server(options=channel_options(settings))
        server.add_generic_rpc_handlers((MethodTable(methods, interceptor),))
        stack.push_async_callback(server.stop, None)  # for a start that fails; after a drain it does nothing
        port = listen(server, settings.listen, tls.credentials() if tls else None)
        await _start(server)
        timing = _timing(settings)
        timing.log()
        stack.push_async_callback(drain, server, readiness, supervisor, timing)
        readiness.become(State.SERVING)
        running = RunningServer(_host(settings.listen), port, telemetry.metrics_port)
        _log.info(
            "serving",
            address=running.address,
            tls=tls.mode if tls else "off",
            auth="tokens" if authority else "off",
            tokens=authority.valid if authority else 0,
            memory_limit_mb=memory_limit_mb(),
            version=__version__,
        )
        yield running


async def _start(server: grpc.aio.Server) -> None:
    """Lets a start that has begun come to its end, whatever signal comes meanwhile: a server of grpc that was
    cancelled in the middle of its start cannot be stopped any more (InvalidStateError)."""
    starting = asyncio.create_task(server.start())
    try:
        await asyncio.shield(starting)
    finally:
        await asyncio.wait([starting])


@asynccontextmanager
async def _open_store(settings: Settings) -> AsyncGenerator[Storage, None]:
    retention = Retention(settings.notes_per_location, settings.notes_total, settings.notes_max_age)
    if caution := second_writer_caution(settings.storage_url):
        _log.warning("database in use", caution=caution)
    async with open_storage(
        settings.storage_url,
        retention=retention,
        timeout=settings.storage_timeout,
        auto_migrate=settings.auto_migrate,
        postgres=postgres_options(settings, live_chat=settings.live_chat),
    ) as storage:
        seeded = await seed(storage, settings.seed_features)
        count = await storage.features.count()
        _log.info(
            "storage open",
            url=masked(settings.storage_url),
            features=count,
            seeded=seeded,
            **library_version(settings.storage_url),
        )
        yield storage
    _log.info("storage closed")


def _budgets(settings: Settings) -> Budgets:
    return Budgets(settings.unary_timeout, settings.stream_idle_timeout, settings.stream_max_age)


def _timing(settings: Settings) -> Timing:
    return Timing(
        delay=settings.drain_delay,
        grace=settings.stop_grace,
        storage=settings.longest_storage_wait,
        telemetry=LAST_EXPORT if settings.otlp_endpoint else 0.0,
        platform=settings.platform_stop_timeout,
    )


def _admission(settings: Settings, supervisor: Supervisor, authority: TokenAuthority | None) -> Admission:
    return Admission(
        supervisor,
        max_calls=settings.max_concurrent_calls,
        client_names=settings.permitted_clients,
        authority=authority,
        limiter=RateLimiter(settings.rate_limit, settings.rate_burst) if settings.rate_limit else None,
        trust_forwarded_for=settings.trust_forwarded_for,
    )


def _probe(settings: Settings, storage: Storage, readiness: Readiness) -> StorageProbe:
    interval, timeout = settings.storage_probe_interval, settings.longest_storage_wait + _PROBE_MARGIN
    return StorageProbe(storage, readiness, interval=interval, timeout=timeout)


def _limits(settings: Settings) -> Limits:
    live = LiveLimits(settings.live_waiting_notes, settings.live_locations) if settings.live_chat else None
    return Limits(settings.max_note_bytes, settings.max_stream_messages, live)


def _methods(settings: Settings, storage: Storage, readiness: Readiness) -> list[Method]:
    guide = RouteGuide(storage, _limits(settings))
    health = HealthServicer(readiness, [SERVICE], fails_when_not_ready=settings.health_check_fails)
    methods = RouteGuideServicer(guide).methods(SERVICE)
    methods += health.methods() + BalancerCheck(readiness).methods()
    if settings.reflection:
        methods += ReflectionServicer([SERVICE, HEALTH_SERVICE]).methods()
    if settings.channelz:
        from routeguide.server.channelz import ChannelzServicer  # noqa: PLC0415  # only where it is used

        methods += ChannelzServicer().methods()
    return methods


def _on_first_signal(begin_to_stop: Callable[[], object]) -> None:
    """Calls `begin_to_stop` at the first signal; the next one ends the process at once."""
    loop = asyncio.get_running_loop()

    def act() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, _end_at_once if os.getpid() == _FIRST_OF_CONTAINER else signal.SIG_DFL)
        begin_to_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, act)


def _end_at_once(number: int, _: FrameType | None) -> None:
    """What the default does to any process but a container's first, which the kernel spares."""
    os._exit(128 + number)


def _host(address: str) -> str:
    return address.removesuffix(f":{urlsplit(f'//{address}').port}")
