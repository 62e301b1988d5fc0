"""How a server stops: it lets go of its callers first, then of the calls."""

import asyncio
import time
from dataclasses import asdict, dataclass

import grpc
import structlog

from routeguide.server.readiness import Readiness, State
from routeguide.server.supervisor import Supervisor

_FLUSH = 0.5
"""Seconds for what the last handlers have written to go out, where a peer is reading it."""

_CLOSING = _FLUSH + 1.5
"""Seconds after the grace: for what is last written, and for the process to end."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the parts of a stop may take, in seconds and in order."""

    delay: float
    """Still serving, so that balancers notice and go elsewhere."""
    grace: float
    """For calls in flight, once the listener is closed."""
    storage: float = 0.0
    """That the store may still be waited for when the grace is over."""
    telemetry: float = 0.0
    """For the last metrics and spans."""
    platform: float = 0.0
    """No part of it: after which the platform kills the process; 0 where nobody has said."""

    @property
    def longest(self) -> float:
        """From the signal to the end of the process, at the most."""
        return round(self.delay + self.grace + self.storage + self.telemetry + _CLOSING, 3)

    def log(self) -> None:
        """Says at start how a stop will go, and warns where the platform will not wait for its end."""
        parts = asdict(self) | {"closing": _CLOSING, "longest": self.longest}
        _log.info("stop timing", **parts)
        if self.platform and self.longest >= self.platform:
            _log.warning(
                "the platform may kill before the server has ended: its stop timeout must be longer than the"
                " longest stop",
                longest=self.longest,
                platform=self.platform,
            )


async def drain(
    server: grpc.aio.Server, readiness: Readiness, supervisor: Supervisor, timing: Timing
) -> None:
    """Returns when the last handler has: after delay + grace, a moment, and what the store still takes."""
    started = time.monotonic()
    readiness.become(State.DRAINING)
    _log.info("draining", delay=timing.delay, grace=timing.grace, calls=supervisor.load)
    await asyncio.sleep(timing.delay)
    readiness.become(State.STOPPING)
    supervisor.stop()
    cut_off = await _stop(server, supervisor, timing.grace)
    _log.info("stopped", seconds=round(time.monotonic() - started, 3), cut_off=cut_off)


async def _stop(server: grpc.aio.Server, supervisor: Supervisor, grace: float) -> int:
    """Closes the listener, sees the calls out, and returns how many had to be cut off."""
    end = time.monotonic() + grace
    # grpc's own grace is longer: it would cancel without a word, where ours are told why.
    stopping = asyncio.create_task(server.stop(grace + 2 * _FLUSH))
    while not stopping.done() and (left := end - time.monotonic()) > 0:
        await supervisor.finished(left)
        # Calls that grpc has accepted may only now begin. And with every handler done, it still waits for
        # peers that do not read; they must not use up the grace.
        await asyncio.wait([stopping], timeout=min(_FLUSH, max(0.0, end - time.monotonic())))
        if not supervisor.running:
            break
    cut_off = supervisor.cut_off()
    await asyncio.wait([stopping], timeout=_FLUSH)
    await server.stop(0)
    await stopping
    await supervisor.finished()
    return cut_off
