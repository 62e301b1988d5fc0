"""How many notes are kept, and for how long."""

import asyncio

import pytest

from routeguide.domain.models import Point, RouteNote
from routeguide.storage.base import Retention
from tests.contract.conftest import OpenStore, messages_at

HERE = Point(0, 0)


class Clock:
    """Seconds that pass only when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


async def test_a_location_keeps_the_newest(open_store: OpenStore) -> None:
    async with open_store(Retention(per_location=3)) as store:
        for text in "abcde":
            await store.notes.post(RouteNote(HERE, text))
        assert await store.notes.count() == 3
        assert await messages_at(store, HERE) == ["c", "d", "e"]


async def test_a_location_that_keeps_one(open_store: OpenStore) -> None:
    async with open_store(Retention(per_location=1)) as store:
        replies = [await store.notes.post(RouteNote(HERE, text)) for text in "abc"]
        assert [[each.message for each in reply] for reply in replies] == [[], ["a"], ["b"]]


async def test_a_crowd_at_one_location_leaves_the_newest(open_store: OpenStore) -> None:
    async with open_store(Retention(per_location=5)) as store:
        replies = await asyncio.gather(*(store.notes.post(RouteNote(HERE, str(each))) for each in range(200)))
        assert max(map(len, replies)) == 5
        assert await store.notes.count() == 5
        assert await messages_at(store, HERE) == [str(each) for each in range(195, 200)]


async def test_a_lower_limit_holds_for_what_was_stored_under_a_higher_one(open_store: OpenStore) -> None:
    async with open_store(Retention(per_location=10)) as store:
        for text in "abcdef":
            await store.notes.post(RouteNote(HERE, text))
    async with open_store(Retention(per_location=2)) as store:
        kept = await messages_at(store, HERE)
        assert kept in (["e", "f"], [])  # nothing at all, where the backend is not durable
        assert len(await messages_at(store, HERE)) <= 2


async def test_the_store_keeps_the_newest(open_store: OpenStore) -> None:
    async with open_store(Retention(total=10)) as store:
        for each in range(30):
            await store.notes.post(RouteNote(Point(each, 0), str(each)))
        assert await store.notes.count() == 10
        assert await messages_at(store, Point(29, 0)) == ["29"]
        assert await messages_at(store, Point(19, 0)) == []


async def test_the_total_holds_for_notes_that_arrive_together(open_store: OpenStore) -> None:
    async with open_store(Retention(total=10)) as store:
        await asyncio.gather(*(store.notes.post(RouteNote(Point(each, 0), "")) for each in range(500)))
        assert await store.notes.count() == 10


@pytest.mark.parametrize(("per_location", "total"), [(1, 10), (2, 7), (3, 3), (5, 2), (1, 1)])
async def test_a_busy_location_takes_no_others_place(
    open_store: OpenStore, per_location: int, total: int
) -> None:
    """Both limits together, against their definition: what a location has dropped makes room for others."""
    retention = Retention(per_location=per_location, total=total)
    kept: list[RouteNote] = []
    async with open_store(retention) as store:
        for number in range(120):
            location = Point(0 if number % 4 else number % 7, 0)
            note = RouteNote(location, str(number))
            here = [each for each in kept if each.location == location]
            assert list(await store.notes.post(note)) == here
            crowded_out = here[: max(0, len(here) + 1 - per_location)]
            kept = [*(each for each in kept if each not in crowded_out), note][-total:]
            assert await store.notes.count() == len(kept)


async def test_what_one_place_has_dropped_counts_no_more(open_store: OpenStore) -> None:
    async with open_store(Retention(per_location=1, total=10)) as store:
        await store.notes.post(RouteNote(HERE, "precious"))
        for each in range(10):
            await store.notes.post(RouteNote(Point(1, 1), str(each)))
        assert await messages_at(store, HERE) == ["precious"]


async def test_an_old_note_is_no_longer_sent(open_store: OpenStore) -> None:
    clock = Clock()
    async with open_store(Retention(max_age=10), clock) as store:
        await store.notes.post(RouteNote(HERE, "old"))
        clock.now += 6
        assert await messages_at(store, HERE) == ["old"]
        clock.now += 6
        assert await messages_at(store, HERE) == ["what is here?"]
        clock.now += 60
        assert await messages_at(store, HERE) == []


async def test_expired_notes_make_room_wherever_they_are(open_store: OpenStore) -> None:
    clock = Clock()
    async with open_store(Retention(max_age=10), clock) as store:
        for each in range(100):
            await store.notes.post(RouteNote(Point(each, 1), ""))
        clock.now += 11
        await store.notes.post(RouteNote(HERE, "the only one now"))
        assert await store.notes.count() == 1
