"""What exports to a collector have in common: how long they may take, and what is said when they fail."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from routeguide.threads import in_daemon_thread

EXPORT_DEADLINE = 3.0
"""Seconds that one export may take, retries included, as long as a collector answers at once or not at all.

A collector that sends its answer byte by byte is waited for until it is through, off the event loop.
"""

_RETRIED_FOR = 1.0
"""Seconds after which the last export is no longer tried again: it delays the end of the server."""

LAST_EXPORT = 2.5
"""Seconds after which the last export is given up, whatever it is doing."""

_log = structlog.get_logger(__name__)


class Reachability:
    """Says when the collector is lost and when it is found again: once each, and never its URL."""

    def __init__(self, signal: str) -> None:
        self._signal = signal
        self._reached = True

    def note(self, reached: bool, reason: str | None = None) -> None:
        """An export has ended; any thread may say so. `reason` is why it failed, without the URL."""
        if reached != self._reached:
            self._reached = reached
            if reached:
                _log.info("collector found again", signal=self._signal)
            else:
                _log.warning("collector lost", signal=self._signal, reason=reason or "unknown")


async def export_in_thread(export: Callable[[], object]) -> None:
    """Runs `export` in a thread that the end of the server need not wait for. One that fails is logged."""
    try:
        await in_daemon_thread(export, "routeguide-export")
    except Exception as error:  # noqa: BLE001  # a collector's failures are none of the server's
        _log.warning("export failed", error=type(error).__name__)


async def finish(last: Awaitable[None], stop_retrying: Callable[[], object]) -> None:
    """Waits for the last export: 2.5 seconds at most, of which it is tried again for one."""
    task = asyncio.ensure_future(last)
    await asyncio.wait([task], timeout=_RETRIED_FOR)
    stop = asyncio.create_task(export_in_thread(stop_retrying))
    await asyncio.wait([task, stop], timeout=LAST_EXPORT - _RETRIED_FOR)
    for each in (task, stop):
        each.cancel()
    await asyncio.wait([task, stop])
