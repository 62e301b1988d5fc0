"""After `close` every call raises StorageClosed, and nothing hangs."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.errors import StorageClosed
from routeguide.storage.base import Storage
from tests.contract.conftest import DURABLE, OpenStore, Source, listed, messages_at
from tests.support.leaks import open_files_in

HERE = Point(0, 0)

CALLS: dict[str, Callable[[Storage], Awaitable[object]]] = {
    "find": lambda store: store.features.find(HERE),
    "count_at": lambda store: store.features.count_at([HERE]),
    "within": listed,
    "count features": lambda store: store.features.count(),
    "import_all": lambda store: store.features.import_all([Feature("", HERE)]),
    "import nothing": lambda store: store.features.import_all([]),
    "post": lambda store: store.notes.post(RouteNote(HERE, "")),
    "count notes": lambda store: store.notes.count(),
    "check": lambda store: store.check(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_closed_store_says_so(store: Storage, call: Callable[[Storage], Awaitable[object]]) -> None:
    await call(store)
    await store.close()
    with pytest.raises(StorageClosed):
        await call(store)


async def test_closing_twice_and_at_the_same_time_is_closing(store: Storage) -> None:
    await asyncio.gather(store.close(), store.close())
    await store.close()


async def test_a_closer_that_is_cancelled_leaves_a_closed_store(store: Storage) -> None:
    closing = asyncio.ensure_future(store.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    await store.close()
    with pytest.raises(StorageClosed):
        await store.check()


async def test_a_listing_under_way_ends_with_the_store(store: Storage) -> None:
    await store.features.import_all(Feature("", Point(0, each)) for each in range(2_000))
    pages = store.features.within(Rectangle.GLOBE)
    await anext(pages)
    await store.close()
    with pytest.raises(StorageClosed):
        await anext(pages)


async def test_calls_that_wait_are_answered_or_refused(open_store: OpenStore, backend: str) -> None:
    async with open_store() as store:
        posts = [asyncio.ensure_future(store.notes.post(RouteNote(HERE, str(each)))) for each in range(90)]
        finds = [asyncio.ensure_future(store.features.find(HERE)) for _ in range(90)]
        for _ in range(3):
            await asyncio.sleep(0)  # now the first batches are under way, and the rest waits
        await store.close()
        results = await asyncio.gather(*posts, *finds, return_exceptions=True)
    answered = [str(each) for each, post in enumerate(posts) if post.exception() is None]
    assert answered
    failures = [each for each in results if isinstance(each, BaseException)]
    assert {type(each) for each in failures} <= {StorageClosed}
    if backend not in DURABLE:
        return
    async with open_store() as reopened:
        assert await messages_at(reopened, HERE) == answered


@pytest.mark.parametrize("read", [0, 1, 1_000, 1_001, 2_000, 2_999, 3_000])
async def test_an_import_under_way_is_undone_or_done_and_ends_with_the_store(
    open_store: OpenStore, backend: str, tmp_path: Path, read: int
) -> None:
    """The source itself has the store closed, after so many features: by then some of them are written."""
    closing: list[asyncio.Task[None]] = []
    async with open_store() as store:
        source = Source(read, lambda: closing.append(asyncio.create_task(store.close())))
        importing = asyncio.create_task(store.features.import_all(source))
        await asyncio.wait([importing])
        await closing[0]
        assert open_files_in(tmp_path) == []
    imported = importing.exception() is None
    assert imported or isinstance(importing.exception(), StorageClosed)
    if backend not in DURABLE:
        return
    async with open_store() as reopened:
        assert await reopened.features.count() == (len(source.features) if imported else 0)
