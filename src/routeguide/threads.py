"""Blocking work beside the event loop, in threads that nobody has to wait for at the end."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

Result = TypeVar("Result")


async def in_daemon_thread(work: Callable[[], Result], name: str) -> Result:
    """What `work` returns or raises, from a thread that does not keep the interpreter from exiting.

    `asyncio.to_thread` would: its threads are waited for, and nothing ends one that waits for a socket or for
    a file system that does not answer. Cancelled, it leaves `work` alone and forgets what becomes of it.

    Args:
        name: of the thread, for who debugs.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Result] = loop.create_future()

    def run() -> None:
        try:
            settle = partial(outcome.set_result, work())
        except Exception as error:  # noqa: BLE001  # it is raised where the outcome is awaited
            settle = partial(outcome.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed where nobody waits any more
            loop.call_soon_threadsafe(_unless_given_up, outcome, settle)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await outcome


def _unless_given_up(outcome: asyncio.Future[Result], settle: Callable[[], None]) -> None:
    if not outcome.done():
        settle()
