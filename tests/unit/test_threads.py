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
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    begin = threading.Event()
    waiting = asyncio.create_task(in_daemon_thread(lambda: begin.wait(DEADLINE), "given up"))
    await asyncio.sleep(0)  # so that it begins
    waiting.cancel()
    await asyncio.wait([waiting])
    (thread,) = [each for each in threading.enumerate() if each.name == "given up"]
    begin.set()
    await asyncio.to_thread(thread.join, DEADLINE)
    await asyncio.sleep(0)  # so that the loop hears of the result, which nobody wants

    assert waiting.cancelled()
    assert not thread.is_alive()
    assert complaints == []


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
