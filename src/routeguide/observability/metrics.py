"""Counts calls and times the store, in plain Python.

A synchronous instrument of OpenTelemetry's SDK takes about fifty times as long to record a value as a list
and a bisection do, and a call would record three (docs/adr has the figures). So values are kept here, and
read when a scrape or an export asks for them. All of it belongs to the event loop: there are no locks.
"""

import asyncio
import inspect
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from routeguide.errors import RouteGuideError
from routeguide.observability.calls import ObservedCall
from routeguide.observability.instruments import (
    CALL_DURATION,
    CALL_RECEIVED,
    CALL_SENT,
    STORAGE_DURATION,
    Instrument,
    is_fault,
)

Value = float | Mapping[str, float]
"""A number, or one for each value of the instrument's attribute."""
Reading = Callable[[], Value | Awaitable[Value | None] | None]
"""What tells a value when it is asked for; None where there is none."""

_CALL_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600)
"""The conventions' bounds, with finer ones below for unary calls and coarser ones above for streams."""
_STORAGE_SECONDS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
)
_MESSAGES = (0, 1, 10, 100, 1000, 10_000, 100_000)

_READING_DEADLINE = 1.0
"""Seconds that a reading may take, so that a store that hangs hides nothing but its own value."""

_log = structlog.get_logger(__name__)


class Histogram:
    """How many values fell into which bucket, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        """Upper bounds, inclusive; one more bucket takes what is above the last."""
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def record(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> "Histogram":
        copied = Histogram(self.bounds)
        copied.counts, copied.total = self.counts.copy(), self.total
        return copied


@dataclass(frozen=True, slots=True)
class Series:
    """The values of an instrument at one moment, by the values of its attributes."""

    instrument: Instrument
    points: Mapping[tuple[str, ...], float | Histogram]


class Metrics:
    """Everything that is measured. As a `CallObserver` it is told of calls; the rest is asked for."""

    def __init__(self) -> None:
        self.started = time.time()
        """Unix time since when is counted."""
        self._durations: dict[tuple[str, str, bool], Histogram] = {}
        self._received: dict[str, Histogram] = {}
        self._sent: dict[str, Histogram] = {}
        self._storage: dict[str, Histogram] = {}
        self._readings: dict[Instrument, Reading] = {}
        self._failed: set[Instrument] = set()

    def ended(self, method: str, code: str, seconds: float, call: ObservedCall) -> None:
        key = (method, code, is_fault(code, call))
        try:
            duration = self._durations[key]
            received, sent = self._received[method], self._sent[method]
        except KeyError:
            duration = self._durations.setdefault(key, Histogram(_CALL_SECONDS))
            received = self._received.setdefault(method, Histogram(_MESSAGES))
            sent = self._sent.setdefault(method, Histogram(_MESSAGES))
        duration.record(seconds)
        received.record(call.received)
        sent.record(call.sent)

    def stored(self, operation: str, seconds: float) -> None:
        """An operation on the store has ended."""
        histogram = self._storage.get(operation)
        if histogram is None:
            histogram = self._storage[operation] = Histogram(_STORAGE_SECONDS)
        histogram.record(seconds)

    def watch(self, instrument: Instrument, reading: Reading) -> None:
        """From now on `reading` tells the value of `instrument`, whenever somebody asks for it."""
        self._readings[instrument] = reading

    async def collect(self) -> list[Series]:
        """Everything as it is now. A reading that fails, or takes long, is left out."""
        series = [
            Series(CALL_DURATION, {_call(*key): each.copy() for key, each in self._durations.items()}),
            Series(CALL_RECEIVED, {(_named(key),): each.copy() for key, each in self._received.items()}),
            Series(CALL_SENT, {(_named(key),): each.copy() for key, each in self._sent.items()}),
            Series(STORAGE_DURATION, {(key,): each.copy() for key, each in self._storage.items()}),
        ]
        for instrument, reading in tuple(self._readings.items()):
            value = await self._read(instrument, reading)
            if value is not None:
                series.append(Series(instrument, _points(value)))
        return series

    async def _read(self, instrument: Instrument, reading: Reading) -> Value | None:
        try:
            async with asyncio.timeout(_READING_DEADLINE):
                value = reading()
                return await value if inspect.isawaitable(value) else value
        except (RouteGuideError, TimeoutError):
            return None
        except Exception as error:  # noqa: BLE001  # one value must not cost all others
            self._unforeseen(instrument, error)
            return None

    def _unforeseen(self, instrument: Instrument, error: Exception) -> None:
        """Logs it the first time: it would fail again with every export."""
        if instrument not in self._failed:
            self._failed.add(instrument)
            _log.error("metric not read", metric=instrument.name, exc_info=error)


def _points(value: Value) -> dict[tuple[str, ...], float | Histogram]:
    if isinstance(value, Mapping):
        return {(_named(key),): each for key, each in value.items()}
    return {(): value}


def _call(method: str, code: str, fault: bool) -> tuple[str, ...]:
    return (_named(method), code, code if fault else "")


def _named(method: str) -> str:
    """A method as the conventions name it: fully qualified, without the path's slash."""
    return method.removeprefix("/")
