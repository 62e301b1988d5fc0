"""Everything that reports on the server, put together as the settings ask for it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import structlog

from routeguide.errors import SettingsError
from routeguide.observability.access import AccessLog, AccessLogMode
from routeguide.observability.calls import CallObserver, CallObservers
from routeguide.observability.metrics import Metrics

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TelemetryOptions:
    """What is to be reported, and where to. Everything but the access log is off by default."""

    access_log: AccessLogMode = "errors"
    metrics_listen: str = ""
    """HOST:PORT of the endpoint for Prometheus; empty for none."""
    otlp_endpoint: str = ""
    """URL of a collector that speaks OTLP over HTTP; empty for none."""
    otlp_interval: float = 60.0
    """Seconds between two exports of metrics."""
    traces: bool = False
    """Whether calls are traced to that collector."""
    trace_ratio: float = 1.0
    """The share of calls that are traced where the caller has not decided it."""


class Telemetry:
    """The access log, metrics and traces. What is off is not even imported.

    Enter it (`async with`) before the server starts and leave it after the server has stopped. `observer` is
    settled once it is entered.
    """

    def __init__(self, options: TelemetryOptions) -> None:
        self._options = options
        self._otlp_endpoint = options.otlp_endpoint.rstrip("/")
        self._stack = AsyncExitStack()
        self.metrics = Metrics() if options.metrics_listen or options.otlp_endpoint else None
        """What is measured, or None where nobody wants it."""
        self.metrics_port: int | None = None
        """Where the endpoint for Prometheus listens."""
        self.observer: CallObserver | None = None
        """To be told of every call but health checks; None where nobody wants it."""

    async def __aenter__(self) -> Self:
        """
        Raises:
            SettingsError: nobody can listen at `metrics_listen`.
        """
        async with AsyncExitStack() as stack:
            observers = await self._open(stack)
            self._stack = stack.pop_all()
        self.observer = (
            observers[0] if len(observers) == 1 else CallObservers(observers) if observers else None
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _open(self, stack: AsyncExitStack) -> list[CallObserver]:
        observers: list[CallObserver] = []
        if self._options.access_log != "off":
            access_log = AccessLog(self._options.access_log)
            stack.callback(access_log.close)
            observers.append(access_log)
        if self.metrics is not None:
            observers.append(self.metrics)
            if self._options.metrics_listen:
                self.metrics_port = await _listen(stack, self.metrics, self._options.metrics_listen)
            if self._otlp_endpoint:
                observers.extend(await stack.enter_async_context(self._exported(self.metrics)))
        return observers

    @asynccontextmanager
    async def _exported(self, metrics: Metrics) -> AsyncGenerator[list[CallObserver], None]:
        """Exports what is wanted; at the end all of it at the same time, as each may take its while."""
        from routeguide.observability.otlp import exported_metrics  # noqa: PLC0415  # only where used

        exports: list[AbstractAsyncContextManager[CallObserver | None]] = [
            exported_metrics(metrics, self._otlp_endpoint, self._options.otlp_interval)
        ]
        if self._options.traces:
            from routeguide.observability.tracing import exported_traces  # noqa: PLC0415  # only where used

            exports.append(exported_traces(self._otlp_endpoint, self._options.trace_ratio))
        entered = [await each.__aenter__() for each in exports]
        try:
            yield [each for each in entered if each is not None]
        finally:
            await asyncio.gather(*(each.__aexit__(None, None, None) for each in exports))


async def _listen(stack: AsyncExitStack, metrics: Metrics, address: str) -> int:
    from routeguide.observability.endpoint import metrics_endpoint  # noqa: PLC0415  # only where it is used
    from routeguide.observability.prometheus import render  # noqa: PLC0415  # only where it is used

    async def scrape(accept: str) -> tuple[bytes, str]:
        return render(await metrics.collect(), accept)

    parts = urlsplit(f"//{address}")
    try:
        opened = metrics_endpoint(parts.hostname or "", parts.port or 0, scrape)
        port = await stack.enter_async_context(opened)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError([f"ROUTEGUIDE_METRICS_LISTEN: cannot listen on {address}: {reason}"]) from error
    _log.info("metrics", address=f"{address.rpartition(':')[0]}:{port}")
    return port
