"""Callers may be cancelled at any await: nothing is left open, half done or lost."""

import asyncio
import itertools
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.storage.base import Storage
from tests.contract.conftest import Source, listed, messages_at

TURNS = st.integers(0, 12)
examples = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

KNOWN = [Feature("known before", Point(1, 1))]

_fresh_latitudes = itertools.count(1)


async def cancelled_after(turns: int, call: Coroutine[Any, Any, Any]) -> bool:
    """Cancels `call` after so many turns of the loop; tells whether it had returned before."""
    task = asyncio.ensure_future(call)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return not task.cancelled()


def cancel_its_reader() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


@examples
@given(patience=st.lists(TURNS, min_size=1, max_size=30))
async def test_no_acknowledged_note_is_lost(store: Storage, patience: list[int]) -> None:
    location = Point(next(_fresh_latitudes), 0)
    posts = [store.notes.post(RouteNote(location, str(each))) for each in range(len(patience))]
    answered = await asyncio.gather(*map(cancelled_after, patience, posts))
    kept = await messages_at(store, location)
    assert {str(each) for each, done in enumerate(answered) if done} <= set(kept)
    assert sorted(kept, key=int) == kept


@examples
@given(turns=TURNS)
async def test_readers_may_leave_at_any_moment(store: Storage, turns: int) -> None:
    await store.features.import_all([Feature("still here", Point(0, 0))])
    calls = [
        store.features.find(Point(0, 0)),
        store.features.count_at([Point(0, 0)]),
        store.features.count(),
        store.notes.count(),
        store.check(),
        listed(store, Rectangle.GLOBE),
    ]
    await asyncio.gather(*(cancelled_after(turns, call) for call in calls))
    assert await listed(store) == [Feature("still here", Point(0, 0))]


@pytest.mark.parametrize("read", [0, 1, 1_000, 1_001, 2_000, 2_999, 3_000])
async def test_an_import_that_is_cancelled_leaves_all_or_nothing_and_no_lock(
    store: Storage, read: int
) -> None:
    """The source itself cancels, after so many features: by then some of them are written."""
    await store.features.import_all(KNOWN)
    source = Source(read, cancel_its_reader)
    importing = asyncio.create_task(store.features.import_all(source))
    await asyncio.wait([importing])
    assert source.reached
    assert importing.cancelled()
    assert await listed(store) in (KNOWN, [*KNOWN, *source.features])
    async with asyncio.timeout(4):  # less than the patience with locks
        assert await messages_at(store, Point(0, 0)) == []
    assert (await store.features.import_all(source.features)).total == len(source.features)


async def test_the_others_of_a_batch_do_not_notice(store: Storage) -> None:
    tasks = [asyncio.ensure_future(store.notes.post(RouteNote(Point(0, 0), str(each)))) for each in range(50)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    stayed = [str(each) for each in range(1, 50, 2)]
    assert not [each for each in results[1::2] if isinstance(each, BaseException)]
    assert [each for each in await messages_at(store, Point(0, 0)) if each in stayed] == stayed
