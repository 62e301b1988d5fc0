"""Gathering callers into batches."""

import asyncio
from collections.abc import Sequence

import pytest

from routeguide.errors import StorageClosed, StorageFull, StorageUnavailable
from routeguide.storage.coalescing import Coalescer


class Store:
    """Doubles numbers, one batch at a time, each only when the test lets it go."""

    def __init__(self, max_batch: int = 10) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Semaphore(0)
        self.failure: Exception | None = None
        self.coalescer = Coalescer(self._double, max_batch=max_batch)

    async def _double(self, batch: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(batch))
        async with asyncio.timeout(5):
            await self.gate.acquire()
        if self.failure is not None:
            raise self.failure
        return [2 * item for item in batch]

    def ask(self, *items: int) -> list["asyncio.Task[int]"]:
        return [asyncio.create_task(self.coalescer.submit(item)) for item in items]

    def let_go(self, batches: int = 100) -> None:
        for _ in range(batches):
            self.gate.release()


async def turns() -> None:
    """Lets every task that can do something do it."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_first_travels_at_once_and_the_others_gather() -> None:
    store = Store()
    first = store.ask(1)
    await turns()
    others = store.ask(2, 3, 4)
    store.let_go()
    assert await asyncio.gather(*first, *others) == [2, 4, 6, 8]
    assert store.batches == [[1], [2, 3, 4]]


async def test_a_batch_is_bounded_and_keeps_the_order_of_arrival() -> None:
    store = Store(max_batch=2)
    asked = store.ask(1, 2, 3, 4, 5)
    store.let_go()
    assert await asyncio.gather(*asked) == [2, 4, 6, 8, 10]
    assert store.batches == [[1, 2], [3, 4], [5]]


async def test_those_just_answered_join_the_next_trip() -> None:
    store = Store()

    async def ask_twice() -> None:
        await store.coalescer.submit(1)
        await store.coalescer.submit(1)

    asking = asyncio.create_task(ask_twice())
    await turns()
    others = store.ask(2, 3)
    await turns()
    store.let_go()
    await asyncio.gather(asking, *others)
    assert store.batches == [[1], [2, 3, 1]]


async def test_a_failure_concerns_its_own_batch_alone() -> None:
    store = Store()
    store.failure = StorageFull("no room")
    failing = store.ask(1, 2)
    await turns()
    others = store.ask(3)
    await turns()
    store.gate.release()
    results = await asyncio.gather(*failing, return_exceptions=True)
    assert [str(each) for each in results] == ["no room", "no room"]
    store.failure = None
    store.let_go()
    assert await asyncio.gather(*others) == [6]


async def test_who_waited_all_through_a_trip_to_an_unreachable_store_waits_no_longer() -> None:
    store = Store(max_batch=2)
    waited_all_along = store.ask(1, 2, 3, 4, 5)
    await turns()
    came_later = store.ask(6, 7)
    await turns()
    store.failure = StorageUnavailable("locked")
    store.gate.release()
    results = await asyncio.gather(*waited_all_along, return_exceptions=True)
    assert [str(each) for each in results] == ["locked"] * 5
    store.failure = None
    store.let_go()
    assert await asyncio.gather(*came_later) == [12, 14]
    assert store.batches == [[1, 2], [6, 7]]


async def test_a_caller_that_leaves_while_waiting_is_left_out() -> None:
    store = Store()
    first = store.ask(1)
    await turns()
    leaving, staying = store.ask(2, 3)
    await turns()
    leaving.cancel()
    await turns()
    store.let_go()
    assert await asyncio.gather(*first, staying) == [2, 6]
    assert store.batches == [[1], [3]]


async def test_a_caller_that_leaves_under_way_takes_nobody_with_it() -> None:
    store = Store()
    leaving, staying = store.ask(1, 2)
    await turns()
    leaving.cancel()
    store.let_go()
    assert await staying == 4
    assert leaving.cancelled()


async def test_when_all_have_left_nothing_travels() -> None:
    store = Store()
    first = store.ask(1)
    await turns()
    leaving = store.ask(2, 3)
    await turns()
    for task in leaving:
        task.cancel()
    store.let_go()
    await asyncio.gather(*first)
    await turns()
    assert store.batches == [[1]]


async def test_closing_lets_the_batch_under_way_finish_and_refuses_the_rest() -> None:
    store = Store()
    under_way = store.ask(1)
    await turns()
    waiting = store.ask(2, 3)
    await turns()
    closing = asyncio.create_task(store.coalescer.close())
    await turns()
    assert not closing.done()
    store.let_go()
    await closing
    assert await asyncio.gather(*under_way) == [2]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in results] == [StorageClosed, StorageClosed]
    with pytest.raises(StorageClosed):
        await store.coalescer.submit(4)
    await store.coalescer.close()


async def test_a_closer_that_is_cancelled_does_not_cancel_the_batch() -> None:
    store = Store()
    under_way = store.ask(1)
    await turns()
    closing = asyncio.create_task(store.coalescer.close())
    await turns()
    closing.cancel()
    await turns()
    store.let_go()
    assert await asyncio.gather(*under_way) == [2]


async def test_a_worker_that_is_cancelled_leaves_nobody_waiting() -> None:
    store = Store(max_batch=1)
    asked = store.ask(1, 2)
    await turns()
    (worker,) = [task for task in asyncio.all_tasks() if task.get_name() == "coalescer"]
    worker.cancel()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in results] == [StorageClosed, StorageClosed]
