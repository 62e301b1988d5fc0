"""Answers many callers with one trip to the store.

A trip (a thread hop, a round trip, an fsync) costs far more than the statement that it carries. While
one trip is under way, callers that arrive are gathered; the next trip carries all of them. A caller
that finds no trip under way travels at once: nothing is delayed to save something.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from routeguide.errors import StorageClosed, StorageUnavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_Batch = list[tuple[Item, asyncio.Future[Answer]]]


class Coalescer(Generic[Item, Answer]):
    """Gathers items into batches and runs one batch at a time, in the order of arrival.

    `run` takes a batch and returns one answer per item, in the same order. When it raises, every
    caller of that batch gets that exception; when it raises StorageUnavailable, so does everyone who
    has waited since that batch set out. Thus no caller waits out more than two failing trips, however
    many wait. It runs in a task of its own: a caller that is cancelled stops waiting, and neither
    harms the batch nor takes the others with it.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        max_batch: int,
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, item: Item) -> Answer:
        """The answer to `item`.

        Raises:
            StorageClosed: the coalescer is closed, or was before the item's turn came.
        """
        if self._closed:
            raise _closed()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="coalescer")
        return await answer

    async def close(self) -> None:
        """Lets the batch under way finish and refuses every item that still waits. Idempotent."""
        self._closed = True
        self._refuse_waiting()
        if self._worker is not None:
            # Waited for, not awaited: a closer that is cancelled must not cancel the batch.
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._travel(self._next_batch())
                # Those just answered may ask again at once; let them join the next trip.
                await asyncio.sleep(0)
        finally:
            self._worker = None
            self._refuse_waiting()  # there are some only if this task was cancelled

    def _next_batch(self) -> _Batch[Item, Answer]:
        """Up to `max_batch` of the items that wait, less those whose callers have gone."""
        batch: _Batch[Item, Answer] = []
        while self._waiting and len(batch) < self._max_batch:
            item, answer = self._waiting.popleft()
            if not answer.done():
                batch.append((item, answer))
        return batch

    async def _travel(self, batch: _Batch[Item, Answer]) -> None:
        if not batch:
            return
        left_behind = len(self._waiting)
        try:
            answers = await self._run([item for item, _ in batch])
        except StorageUnavailable as error:
            _refuse([*batch, *self._first(left_behind)], error)
        except Exception as error:  # noqa: BLE001  # passed on to everyone whom it concerns
            _refuse(batch, error)
        except BaseException:
            # Callers must not wait for ever, not even for a batch that was cancelled.
            _refuse(batch, _closed())
            raise
        else:
            for (_, caller), answer in zip(batch, answers, strict=True):
                if not caller.done():
                    caller.set_result(answer)

    def _first(self, number: int) -> _Batch[Item, Answer]:
        """Takes so many of those that wait; fewer, if the coalescer was closed meanwhile."""
        return [self._waiting.popleft() for _ in range(min(number, len(self._waiting)))]

    def _refuse_waiting(self) -> None:
        _refuse(self._waiting, _closed())
        self._waiting.clear()


def _refuse(batch: Sequence[tuple[object, "asyncio.Future[Answer]"]], error: Exception) -> None:
    for _, caller in batch:
        if not caller.done():
            caller.set_exception(error)


def _closed() -> StorageClosed:
    return StorageClosed("the store is closed")
