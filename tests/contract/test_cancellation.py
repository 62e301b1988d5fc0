"""Callers may be cancelled at any await: nothing is left open, half done or lost."""

import asyncio
import itertools
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.storage.base import Storage
from tests.contract.conftest import listed, messages_at

TURNS = st.integers(0, 12)
examples = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

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


@examples
@given(turns=st.integers(0, 40))
async def test_a_cancelled_import_leaves_all_or_nothing_and_no_lock(store: Storage, turns: int) -> None:
    latitude = next(_fresh_latitudes)
    before = await store.features.count()

    def source() -> Iterator[Feature]:
        for each in range(3_000):
            yield Feature("", Point(latitude, each))

    await cancelled_after(turns, store.features.import_all(source()))
    assert await store.features.count() - before in {0, 3_000}
    async with asyncio.timeout(2):  # well below the patience with locks
        assert await messages_at(store, Point(latitude, 0)) == []


async def test_the_others_of_a_batch_do_not_notice(store: Storage) -> None:
    tasks = [asyncio.ensure_future(store.notes.post(RouteNote(Point(0, 0), str(each)))) for each in range(50)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    stayed = [str(each) for each in range(1, 50, 2)]
    assert not [each for each in results[1::2] if isinstance(each, BaseException)]
    assert [each for each in await messages_at(store, Point(0, 0)) if each in stayed] == stayed
