"""Metrics over OTLP: all of them, every so often, to a collector."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as ExportedHistogram
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from routeguide import __version__
from routeguide.observability.collector import EXPORT_DEADLINE, Reachability, export_in_thread, finish
from routeguide.observability.instruments import Instrument, Kind
from routeguide.observability.metrics import Histogram, Metrics, Series
from routeguide.observability.session import ExportSession

_log = structlog.get_logger(__name__)


def resource() -> Resource:
    """Who reports. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, OpenTelemetry's own variables, win."""
    ours = Resource({"service.name": "routeguide", "service.version": __version__})
    return ours.merge(OTELResourceDetector().detect())


@asynccontextmanager
async def exported_metrics(metrics: Metrics, endpoint: str, interval: float) -> AsyncGenerator[None, None]:
    """Exports every `interval` seconds inside the block, and once more at its end.

    A collector that cannot be reached costs a line in the log, and at the end up to 2.5 seconds.
    """
    session = ExportSession()
    url = f"{endpoint}/v1/metrics"
    exporter = OTLPMetricExporter(endpoint=url, timeout=EXPORT_DEADLINE, session=session)
    who, reachability = resource(), Reachability("metrics")

    async def export() -> None:
        data = _data(await metrics.collect(), who, metrics.started)

        def send() -> None:
            reached = exporter.export(data) is MetricExportResult.SUCCESS
            reachability.note(reached, session.reason)

        await export_in_thread(send)

    async def export_regularly() -> None:
        while True:
            await asyncio.sleep(interval)
            try:
                await export()
            except Exception as error:  # noqa: BLE001  # the next export may well succeed
                _log.warning("metrics not exported", error=type(error).__name__)

    regularly = asyncio.create_task(export_regularly())
    try:
        yield
    finally:
        regularly.cancel()
        await asyncio.wait([regularly])
        await finish(export(), exporter.shutdown)


def _data(series: list[Series], who: Resource, started: float) -> MetricsData:
    times = (int(started * 1e9), time.time_ns())
    metrics = [_metric(each, *times) for each in series if each.points]
    scope = ScopeMetrics(InstrumentationScope("routeguide", __version__), metrics, schema_url="")
    return MetricsData([ResourceMetrics(who, [scope], schema_url="")])


def _metric(series: Series, started: int, now: int) -> Metric:
    instrument = series.instrument
    cumulative = AggregationTemporality.CUMULATIVE
    data: ExportedHistogram | Sum | Gauge
    if instrument.kind is Kind.HISTOGRAM:
        data = ExportedHistogram(_distributions(series, started, now), cumulative)
    elif instrument.kind is Kind.COUNTER:
        data = Sum(_numbers(series, started, now), cumulative, is_monotonic=True)
    else:
        data = Gauge(_numbers(series, started, now))
    return Metric(instrument.name, instrument.description, instrument.unit, data)


def _numbers(series: Series, started: int, now: int) -> list[NumberDataPoint]:
    return [
        NumberDataPoint(_attributes(series.instrument, values), started, now, point)
        for values, point in series.points.items()
        if not isinstance(point, Histogram)
    ]


def _distributions(series: Series, started: int, now: int) -> list[HistogramDataPoint]:
    return [
        HistogramDataPoint(
            _attributes(series.instrument, values),
            started,
            now,
            count=sum(point.counts),
            sum=point.total,
            bucket_counts=point.counts,
            explicit_bounds=point.bounds,
            min=None,  # type: ignore[arg-type]  # optional on the wire; since the start it would say little
            max=None,  # type: ignore[arg-type]  # the same
        )
        for values, point in series.points.items()
        if isinstance(point, Histogram)
    ]


def _attributes(instrument: Instrument, values: tuple[str, ...]) -> dict[str, str]:
    """An attribute without a value is left out, as the conventions have it."""
    named = dict(zip(instrument.attributes, values, strict=True))
    return instrument.constants | {name: value for name, value in named.items() if value}
