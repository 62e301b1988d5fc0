"""What exports to a collector have in common: how long they may take, and what is said when they fail."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

EXPORT_DEADLINE = 3.0
"""Seconds that one export may take, retries included, as long as a collector answers at once or not at all.

A collector that sends its answer byte by byte is waited for until it is through, off the event loop.
"""

_RETRIED_FOR = 1.0
"""Seconds after which the last export is no longer tried again: it delays the end of the server."""

_LAST_EXPORT = 2.5
"""Seconds after which the last export is given up, whatever it is doing."""

_log = structlog.get_logger(__name__)


class Reachability:
    """Says when the collector is lost and when it is found again: once each, and never its URL."""

    def __init__(self, signal: str) -> None:
        self._signal = signal
        self._reached = True

    def note(self, reached: bool) -> None:
        """An export has ended; any thread may say so."""
        if reached != self._reached:
            self._reached = reached
            if reached:
                _log.info("collector found again", signal=self._signal)
            else:
                _log.warning("collector lost", signal=self._signal)


async def in_daemon_thread(work: Callable[[], object]) -> None:
    """Runs `work` in a thread of its own, which does not keep the interpreter from exiting.

    `asyncio.to_thread` would: its threads are waited for, and nothing ends one that waits for a socket.
    """
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # nobody may be there to hear of it any more
            _log.warning("export failed", error=type(error).__name__)
        with suppress(RuntimeError):  # the loop is closed where nobody waits any more
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name="routeguide-export", daemon=True).start()
    await done.wait()


async def finish(last: Awaitable[None], stop_retrying: Callable[[], object]) -> None:
    """Waits for the last export: 2.5 seconds at most, of which it is tried again for one."""
    task = asyncio.ensure_future(last)
    await asyncio.wait([task], timeout=_RETRIED_FOR)
    stop = asyncio.create_task(in_daemon_thread(stop_retrying))
    await asyncio.wait([task, stop], timeout=_LAST_EXPORT - _RETRIED_FOR)
    for each in (task, stop):
        each.cancel()
    await asyncio.wait([task, stop])
