"""Metrics as Prometheus reads them."""

from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from routeguide.observability.instruments import Instrument, Kind
from routeguide.observability.metrics import Histogram, Series


def render(series: Sequence[Series], accept: str) -> tuple[bytes, str]:
    """The series, and the process's own, in the format that `accept` asks for; and its media type."""
    encode, media_type = choose_encoder(accept)
    registry = CollectorRegistry()
    registry.register(_Collected(series))
    ProcessCollector(registry=registry)
    return encode(registry), media_type


def name_of(instrument: Instrument) -> str:
    """An instrument's name in Prometheus' spelling, without `_total`."""
    name = _spelled(instrument.name)
    return f"{name}_seconds" if instrument.unit == "s" else name


class _Collected(Collector):
    def __init__(self, series: Sequence[Series]) -> None:
        self._series = series

    def collect(self) -> Iterable[Metric]:
        return map(_family, self._series)


def _family(series: Series) -> Metric:
    instrument = series.instrument
    name, text = name_of(instrument), instrument.description
    labels = [_spelled(attribute) for attribute in (*instrument.constants, *instrument.attributes)]
    constants = tuple(instrument.constants.values())
    if instrument.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(name, text, labels=labels)
        for values, point in series.points.items():
            if isinstance(point, Histogram):
                histogram.add_metric((*constants, *values), _buckets(point), point.total)
        return histogram
    family = (CounterMetricFamily if instrument.kind is Kind.COUNTER else GaugeMetricFamily)(
        name, text, labels=labels
    )
    for values, point in series.points.items():
        if not isinstance(point, Histogram):
            family.add_metric((*constants, *values), point)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Prometheus counts in each bucket what is in the smaller ones as well."""
    bounds = [*(f"{float(bound)}" for bound in histogram.bounds), "+Inf"]
    return list(zip(bounds, accumulate(histogram.counts), strict=True))


def _spelled(name: str) -> str:
    return name.replace(".", "_")
