"""What the server lets its operators know: telemetry as the settings have it, and what it reads if asked."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from routeguide.observability import Metrics, Telemetry, TelemetryOptions
from routeguide.observability.instruments import (
    CALLS_ACTIVE,
    CALLS_SHED,
    CERTIFICATE_EXPIRY,
    NOTES,
    READY,
    RELOAD_FAILURES,
)
from routeguide.server.admission import Admission
from routeguide.server.call import Method
from routeguide.server.readiness import Readiness
from routeguide.server.supervisor import Supervisor
from routeguide.settings import Settings
from routeguide.storage.base import Storage
from routeguide.storage.timed import TimedStorage

if TYPE_CHECKING:
    from routeguide.server.tls import ServerTls  # credentials.py says why only then


@asynccontextmanager
async def open_telemetry(settings: Settings) -> AsyncGenerator[Telemetry, None]:
    """Telemetry inside the block; enter it first, so that it outlives what it tells of.

    Raises:
        SettingsError: nobody can listen where metrics are to be had.
    """
    options = TelemetryOptions(
        access_log=settings.access_log,
        metrics_listen=settings.metrics_listen,
        otlp_endpoint=settings.otlp_endpoint,
        otlp_interval=settings.otlp_interval,
        traces=settings.traces,
        trace_ratio=settings.trace_ratio,
    )
    async with Telemetry(options) as telemetry:
        yield telemetry


def timed(storage: Storage, metrics: Metrics | None) -> Storage:
    """`storage`, timed where metrics are on."""
    return storage if metrics is None else TimedStorage(storage, metrics.stored)


def report_calls(
    metrics: Metrics, methods: Iterable[Method], supervisor: Supervisor, admission: Admission
) -> None:
    """From now on metrics tell which calls are in flight, and how many were shed and why."""
    reported = [method.path for method in methods if not method.exempt]

    def active() -> dict[str, float]:
        numbers = dict.fromkeys(reported, 0.0)
        for call in supervisor.running:
            if not call.method.exempt:
                numbers[call.method.path] += 1
        return numbers

    metrics.watch(CALLS_ACTIVE, active)
    metrics.watch(CALLS_SHED, lambda: admission.shed)


def report_state(metrics: Metrics, readiness: Readiness, storage: Storage, tls: "ServerTls | None") -> None:
    """From now on metrics tell whether the server is ready, how many notes there are, and how TLS fares."""
    metrics.watch(READY, lambda: float(readiness.is_ready))
    metrics.watch(NOTES, storage.notes.count)
    if tls is not None:
        metrics.watch(CERTIFICATE_EXPIRY, lambda: tls.not_after.timestamp())  # noqa: PLW0108  # the newest
        metrics.watch(RELOAD_FAILURES, lambda: float(tls.reload_failures))
