"""How values are kept between two scrapes."""

import asyncio

import pytest
from structlog.testing import capture_logs

from routeguide.errors import StorageUnavailable
from routeguide.observability.instruments import (
    CALL_DURATION,
    CALL_SENT,
    CALLS_ACTIVE,
    NOTES,
    READY,
    STORAGE_DURATION,
    Instrument,
)
from routeguide.observability.metrics import Histogram, Metrics, Reading, Series

GET_FEATURE = "/routeguide.RouteGuide/GetFeature"


class EndedCall:
    request_id = "1"

    def __init__(
        self, received: int = 1, sent: int = 1, sent_away: bool = False, peer: str = "ipv4:192.0.2.1:1"
    ) -> None:
        self.received = received
        self.sent = sent
        self.sent_away = sent_away
        self.peer = peer

    def header(self, name: str) -> str | None:
        return None


async def collected(metrics: Metrics) -> dict[Instrument, Series]:
    return {series.instrument: series for series in await metrics.collect()}


def test_bounds_are_inclusive() -> None:
    histogram = Histogram((1, 10))
    for value in (0, 1, 1.5, 10, 11):
        histogram.record(value)

    assert histogram.counts == [2, 2, 1]
    assert histogram.total == 23.5


async def test_calls_are_counted_by_method_and_code() -> None:
    metrics = Metrics()
    for code in ("OK", "OK", "INVALID_ARGUMENT", "UNAVAILABLE"):
        metrics.ended(GET_FEATURE, code, 0.02, EndedCall(sent=3))

    series = await collected(metrics)

    name = GET_FEATURE.removeprefix("/")
    durations = series[CALL_DURATION].points
    assert {key: sum(each.counts) for key, each in durations.items() if isinstance(each, Histogram)} == {
        (name, "OK", ""): 2,
        (name, "INVALID_ARGUMENT", ""): 1,
        (name, "UNAVAILABLE", "UNAVAILABLE"): 1,
    }
    [(key, sent)] = series[CALL_SENT].points.items()
    assert key == (name,)
    assert isinstance(sent, Histogram)
    assert sent.total == 12


async def test_streams_that_were_sent_away_are_no_fault() -> None:
    metrics = Metrics()
    metrics.ended(GET_FEATURE, "UNAVAILABLE", 0.02, EndedCall())
    metrics.ended(GET_FEATURE, "UNAVAILABLE", 0.02, EndedCall(sent_away=True))

    name = GET_FEATURE.removeprefix("/")
    assert (await collected(metrics))[CALL_DURATION].points.keys() == {
        (name, "UNAVAILABLE", "UNAVAILABLE"),
        (name, "UNAVAILABLE", ""),
    }


async def test_what_was_collected_does_not_change_any_more() -> None:
    metrics = Metrics()
    metrics.stored("check", 1.0)
    series = (await collected(metrics))[STORAGE_DURATION]
    metrics.stored("check", 1.0)

    [histogram] = series.points.values()
    assert isinstance(histogram, Histogram)
    assert sum(histogram.counts) == 1


async def test_readings_are_asked_each_time() -> None:
    metrics = Metrics()
    values = iter([1.0, 0.0])
    metrics.watch(READY, lambda: next(values))
    metrics.watch(CALLS_ACTIVE, lambda: {GET_FEATURE: 2.0})

    series = await collected(metrics)

    assert series[READY].points == {(): 1.0}
    assert series[CALLS_ACTIVE].points == {("routeguide.RouteGuide/GetFeature",): 2.0}
    assert (await collected(metrics))[READY].points == {(): 0.0}


async def unavailable() -> float:
    raise StorageUnavailable("it is locked")


async def endless() -> float:
    await asyncio.sleep(3600)
    return 0.0


def unforeseen() -> float:
    raise ValueError("nobody thought of it")


async def nothing() -> None:
    return None


@pytest.mark.parametrize("reading", [unavailable, endless, nothing, unforeseen])
async def test_reading_that_fails_hides_nothing_else(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routeguide.observability.metrics._READING_DEADLINE", 0.05)
    metrics = Metrics()
    metrics.watch(NOTES, reading)
    metrics.watch(READY, lambda: 1.0)

    series = await collected(metrics)

    assert NOTES not in series
    assert series[READY].points == {(): 1.0}


async def test_unforeseen_failure_is_logged_once() -> None:
    metrics = Metrics()
    metrics.watch(NOTES, unforeseen)
    with capture_logs() as entries:
        await metrics.collect()
        await metrics.collect()

    assert [(entry["event"], entry["metric"]) for entry in entries] == [
        ("metric not read", "routeguide.notes")
    ]
