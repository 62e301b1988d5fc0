"""Blocking work beside the loop: what comes of it, and that the end of the process never waits for it."""

import asyncio
import sys
import threading

import pytest

from routeguide.threads import in_daemon_thread
from tests.support.commands import ended

DEADLINE = 30.0


async def test_result() -> None:
    assert await in_daemon_thread(lambda: threading.current_thread().name, "worker") == "worker"


async def test_failure() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_daemon_thread(lambda: 1 / 0, "worker")


async def test_work_that_was_given_up_ends_by_itself() -> None:
    begin, done = threading.Event(), threading.Event()

    def work() -> None:
        begin.wait(DEADLINE)
        done.set()

    waiting = asyncio.create_task(in_daemon_thread(work, "worker"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    begin.set()
    async with asyncio.timeout(DEADLINE):
        while not done.is_set():  # noqa: ASYNC110  # a thread sets it
            await asyncio.sleep(0.01)

    assert waiting.cancelled()


async def test_process_ends_without_waiting_for_it() -> None:
    program = """
import asyncio, threading
from routeguide.threads import in_daemon_thread

async def main():
    begun = threading.Event()
    asyncio.create_task(in_daemon_thread(lambda: (begun.set(), threading.Event().wait()), "worker"))
    while not begun.is_set():
        await asyncio.sleep(0.01)

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    try:
        async with asyncio.timeout(DEADLINE):
            assert await process.wait() == 0
    finally:
        await ended(process)
