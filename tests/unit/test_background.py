"""What goes on beside the calls: it goes on whatever happens, and who ends without leave is reported."""

import asyncio
from collections.abc import Callable
from typing import Any

from structlog.testing import capture_logs

from routeguide.server.background import in_background, look_again

DEADLINE = 10.0


async def happens(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110  # a thread makes it true, and tells nobody
            await asyncio.sleep(0.01)


async def test_files_are_looked_at_again_whatever_happens() -> None:
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise RuntimeError("unforeseen")

    with capture_logs() as logs:
        async with in_background(look_again(look, every=0.01, at="tokens")):
            await happens(lambda: looks > 2)

    (told,) = logs
    assert (told["event"], told["files"], told["log_level"]) == ("files not looked at", "tokens", "error")


async def test_work_that_ends_is_reported() -> None:
    async def work() -> None:
        raise RuntimeError("unforeseen")

    with capture_logs() as logs:
        async with in_background(work()):
            await happens(lambda: logs)

    (told,) = logs
    assert told["event"] == "a task that never ends has ended"
    assert "unforeseen" in str(told["exc_info"])


async def test_work_that_is_cancelled_at_the_end_is_not() -> None:
    with capture_logs() as logs:
        async with in_background(asyncio.sleep(3600)):
            pass

    assert not logs
