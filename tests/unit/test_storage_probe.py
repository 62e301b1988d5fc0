"""What the log is told of a store that is not there."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import pytest
from structlog.testing import capture_logs

from routeguide.errors import StorageBusy, StorageUnavailable
from routeguide.server.background import in_background
from routeguide.server.readiness import Readiness
from routeguide.server.storage_probe import StorageProbe
from routeguide.storage.base import Storage

DEADLINE = 10.0


class FailingStorage(Storage):
    """Answers no question, in a way of its choice."""

    def __init__(self, fail: Callable[[], Awaitable[None]]) -> None:
        self._fail = fail

    async def check(self) -> None:
        await self._fail()

    async def close(self) -> None:
        pass


async def hang() -> None:
    await asyncio.Event().wait()


async def be_locked() -> None:
    raise StorageUnavailable("the store is busy") from OSError("database is locked")


async def be_closed() -> None:
    raise StorageUnavailable("the store is closed")


async def break_down() -> None:
    raise RuntimeError("unforeseen") from OSError("something else")


@pytest.mark.parametrize(
    ("fail", "cause"),
    [
        (hang, "TimeoutError('no answer within 0.1 s')"),
        (be_locked, "OSError('database is locked')"),
        (be_closed, "StorageUnavailable('the store is closed')"),
        (break_down, "RuntimeError('unforeseen')"),
    ],
)
async def test_cause_is_told(fail: Callable[[], Awaitable[None]], cause: str) -> None:
    readiness = Readiness()
    probe = StorageProbe(FailingStorage(fail), readiness, interval=0.01, timeout=0.1)
    change = readiness.next_change()

    with capture_logs() as logs:
        async with in_background(probe.watch()), asyncio.timeout(DEADLINE):
            await change.wait()

    (told,) = logs
    assert (told["event"], told["cause"]) == ("storage lost", cause)


@pytest.mark.parametrize("answered", [True, False])
async def test_a_busy_store_is_neither_lost_nor_found(answered: bool) -> None:
    readiness, asked_again = Readiness(), asyncio.Event()
    readiness.found_storage(answers=answered)
    change, questions = readiness.next_change(), count(1)

    async def be_busy() -> None:
        if next(questions) > 3:
            asked_again.set()
        raise StorageBusy("all connections to the store are in use")

    probe = StorageProbe(FailingStorage(be_busy), readiness, interval=0.01, timeout=DEADLINE)
    async with in_background(probe.watch()), asyncio.timeout(DEADLINE):
        await asked_again.wait()
    assert not change.is_set()
