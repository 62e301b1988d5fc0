"""How a server stops: it lets go of its callers first, then of the calls."""

import asyncio
import time
from dataclasses import dataclass

import grpc
import structlog

from routeguide.server.readiness import Readiness, State
from routeguide.server.supervisor import Supervisor

_FLUSH = 0.5
"""Seconds for what the last handlers have written to go out, where a peer is reading it."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds."""

    delay: float
    """Still serving, so that balancers notice and go elsewhere."""
    grace: float
    """For calls in flight, once the listener is closed."""
    platform: float = 0.0
    """After which the platform kills the process; 0 where nobody has said."""

    def log(self) -> None:
        """Says at start how a stop will go, and warns where the platform will not wait for its end."""
        _log.info("stop timing", delay=self.delay, grace=self.grace, platform=self.platform)
        if self.platform and self.delay + self.grace >= self.platform:
            _log.warning(
                "the platform kills before the drain is over: delay + grace must stay below its stop timeout",
                delay=self.delay,
                grace=self.grace,
                platform=self.platform,
            )


async def drain(
    server: grpc.aio.Server, readiness: Readiness, supervisor: Supervisor, timing: Timing
) -> None:
    """Returns when the last handler has, at the latest after delay + grace and a moment."""
    started = time.monotonic()
    readiness.become(State.DRAINING)
    _log.info("draining", delay=timing.delay, grace=timing.grace, calls=supervisor.load)
    await asyncio.sleep(timing.delay)
    readiness.become(State.STOPPING)
    supervisor.stop()
    await _stop(server, supervisor, timing.grace)
    _log.info("stopped", seconds=round(time.monotonic() - started, 3))


async def _stop(server: grpc.aio.Server, supervisor: Supervisor, grace: float) -> None:
    stopping = asyncio.create_task(server.stop(grace))
    finished = asyncio.create_task(supervisor.finished())
    await asyncio.wait([stopping, finished], return_when=asyncio.FIRST_COMPLETED)
    # With every handler done, grpc still waits for peers that do not read; they must not use up the grace.
    await asyncio.wait([stopping], timeout=_FLUSH)
    await server.stop(0)
    await stopping
    await finished
