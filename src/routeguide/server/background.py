"""What goes on beside the calls for as long as the server runs."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from routeguide.threads import in_daemon_thread

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None, None]:
    """Runs `work`, which never returns, beside the block. Should it end there, that is logged."""
    task = asyncio.create_task(work)
    task.add_done_callback(_report_end)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def look_again(look: Callable[[], object], *, every: float, at: str) -> None:
    """Calls `look`, which reads files, `every` seconds after the last time; never returns.

    In a thread: the files may be on a network, and calls do not wait for it, nor does the end of the server
    where it never answers.

    Args:
        at: what is looked at, for the log.
    """
    while True:
        await asyncio.sleep(every)
        try:
            await in_daemon_thread(look, f"look at {at}")
        except Exception:  # noqa: BLE001  # whatever it was, the next change must be noticed
            _log.exception("files not looked at", files=at)


def _report_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        _log.error("a task that never ends has ended", task=repr(task.get_coro()), exc_info=task.exception())
