"""Live feeds: every note of others at a location where the feed has posted, once, in order, never its own."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import closing

import pytest

from routeguide.domain.models import Point, RouteNote
from routeguide.errors import FellBehind, RouteGuideError, StorageClosed
from routeguide.storage.base import LiveFeed, Retention, Storage
from tests.contract.conftest import OpenStore
from tests.support.live_feeds import given, texts
from tests.support.wire import DEADLINE

HERE, THERE = Point(0, 0), Point(0, 1)


def note(message: str, location: Point = HERE) -> RouteNote:
    return RouteNote(location, message)


async def test_a_feed_hears_what_others_store_after_its_first_note(store: Storage) -> None:
    await store.notes.post(note("before"))
    with closing(store.notes.follow(buffer=10)) as feed:
        assert texts(await feed.post(note("mine"))) == ["before"]
        await store.notes.post(note("after"))
        assert await given(feed, 1) == ["after"]
        assert list(feed.take()) == []


async def test_it_hears_nothing_where_it_has_not_spoken(store: Storage) -> None:
    with closing(store.notes.follow(buffer=10)) as feed:
        await feed.post(note("mine"))
        await store.notes.post(note("elsewhere", THERE))
        await store.notes.post(note("here"))
        assert await given(feed, 1) == ["here"]
        assert texts(await feed.post(note("mine too", THERE))) == ["elsewhere"]


async def test_its_own_notes_are_never_given_out(store: Storage) -> None:
    with closing(store.notes.follow(buffer=10)) as feed, closing(store.notes.follow(buffer=10)) as other:
        assert texts(await feed.post(note("one"))) == []
        assert texts(await feed.post(note("two"))) == []
        assert texts(await other.post(note("three"))) == ["one", "two"]
        assert await given(feed, 1) == ["three"]
        assert texts(await feed.post(note("four"))) == []
        assert await given(other, 1) == ["four"]


async def test_a_later_note_brings_only_what_was_not_given_out(store: Storage) -> None:
    with closing(store.notes.follow(buffer=10)) as feed:
        await feed.post(note("mine"))
        await store.notes.post(note("taken"))
        assert await given(feed, 1) == ["taken"]
        await store.notes.post(note("waiting"))
        assert texts(await feed.post(note("mine again"))) == ["waiting"]
        assert list(feed.take()) == []


async def test_what_waits_from_elsewhere_comes_before_the_reply(store: Storage) -> None:
    await store.notes.post(note("history", THERE))
    with closing(store.notes.follow(buffer=10)) as feed:
        await feed.post(note("mine"))
        await store.notes.post(note("waiting"))
        assert texts(await feed.post(note("mine", THERE))) == ["waiting", "history"]


async def test_another_feed_begins_with_the_whole_history(store: Storage) -> None:
    with closing(store.notes.follow(buffer=10)) as feed:
        await feed.post(note("first"))
    with closing(store.notes.follow(buffer=10)) as again:
        assert texts(await again.post(note("second"))) == ["first"]


class Talker:
    """A live stream: what it has left itself, and what it was given."""

    def __init__(self, feed: LiveFeed) -> None:
        self.feed = feed
        self.own: list[RouteNote] = []
        self.given: list[RouteNote] = []

    async def speak(self, spoken: RouteNote) -> None:
        self.own.append(spoken)
        self.given += await self.feed.post(spoken)

    def lacks(self, order: Sequence[RouteNote]) -> list[RouteNote]:
        """What it should have been given of the notes at one location, which come in their order."""
        return [each for each in order if each not in self.own]

    def given_at(self, location: Point) -> list[RouteNote]:
        return [each for each in self.given if each.location == location]


@pytest.mark.parametrize("seed", range(5))
async def test_every_follower_is_given_every_note_of_others_once_and_in_order(
    store: Storage, seed: int
) -> None:
    """Live and classic writers at random, at few locations."""
    dice = random.Random(seed)  # noqa: S311  # repeatable
    places = [Point(each, 0) for each in range(3)]
    talkers = [Talker(store.notes.follow(buffer=1000)) for _ in range(4)]

    async def converse(name: int, talker: Talker) -> None:
        for step in range(12):
            left = note(f"{name}.{step}", dice.choice(places))
            if dice.random() < 0.6:
                await talker.speak(left)
                talker.given += talker.feed.take()
            else:
                await store.notes.post(left)

    await asyncio.gather(*(converse(name, talker) for name, talker in enumerate(talkers)))
    for place in places:  # now each follows each location
        await asyncio.gather(*(talker.speak(note(f"{id(talker)}", place)) for talker in talkers))
    for talker in talkers:
        talker.given += talker.feed.take()
        talker.feed.close()
    for place in places:
        order = await store.notes.post(note("what is here?", place))
        assert [each.given_at(place) for each in talkers] == [each.lacks(order) for each in talkers]


async def test_a_slow_reader_is_told_and_nothing_is_kept_for_it(store: Storage) -> None:
    with closing(store.notes.follow(buffer=3)) as slow, closing(store.notes.follow(buffer=3)) as quick:
        await slow.post(note("slow"))
        await quick.post(note("quick"))
        for each in range(3):
            await store.notes.post(note(str(each)))
            assert await given(quick, 1) == [str(each)]
        with pytest.raises(FellBehind, match="fell behind by 4 notes; reconnect"):
            slow.take()
        with pytest.raises(FellBehind):
            await slow.post(note("too late"))
        assert texts(await quick.post(note("quick"))) == []


async def test_history_may_be_longer_than_the_buffer(store: Storage) -> None:
    for each in range(20):
        await store.notes.post(note(str(each)))
    with closing(store.notes.follow(buffer=1)) as feed:
        assert len(await feed.post(note("mine"))) == 20


async def test_the_first_reply_is_what_a_location_keeps(open_store: OpenStore) -> None:
    async with open_store(Retention(per_location=2)) as store:
        for text in "abc":
            await store.notes.post(note(text))
        with closing(store.notes.follow(buffer=10)) as feed:
            assert texts(await feed.post(note("mine"))) == ["b", "c"]
            await asyncio.gather(*(store.notes.post(note(text)) for text in "defgh"))
            assert await given(feed, 5) == list("defgh")  # though the location keeps but two


async def test_waiting_may_be_cancelled_and_loses_nothing(store: Storage) -> None:
    with closing(store.notes.follow(buffer=10)) as feed:
        await feed.post(note("mine"))
        for turns in range(6):
            waiting = asyncio.ensure_future(feed.ready())
            posting = asyncio.ensure_future(store.notes.post(note(str(turns))))
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            await posting
            await asyncio.wait([waiting])
            assert await given(feed, 1) == [str(turns)]


async def test_a_poster_that_is_cancelled_harms_no_other_feed(store: Storage) -> None:
    with closing(store.notes.follow(buffer=100)) as other:
        await other.post(note("other"))
        for turns in range(6):
            feed = store.notes.follow(buffer=10)
            posting = asyncio.ensure_future(feed.post(note(f"cancelled {turns}")))
            for _ in range(turns):
                await asyncio.sleep(0)
            posting.cancel()
            await asyncio.wait([posting])
            feed.close()
        await store.notes.post(note("end"))
        received: list[str] = []
        while received[-1:] != ["end"]:
            received += await given(other, 1)
        kept = texts(await store.notes.post(note("?")))
        assert received == kept[1:]


async def test_a_closed_feed_is_given_nothing(store: Storage) -> None:
    feed = store.notes.follow(buffer=1)
    await feed.post(note("mine"))
    feed.close()
    feed.close()
    for each in range(3):
        await store.notes.post(note(str(each)))
    with pytest.raises(RouteGuideError, match="the feed is closed"):
        feed.take()


async def test_feeds_end_with_the_store(open_store: OpenStore) -> None:
    async with open_store() as store:
        feed = store.notes.follow(buffer=10)
        await feed.post(note("mine"))
        waiting = asyncio.ensure_future(feed.ready())
        await asyncio.sleep(0)
        await store.close()
        async with asyncio.timeout(DEADLINE):
            await waiting
        with pytest.raises(StorageClosed):
            feed.take()
        with pytest.raises(StorageClosed):
            await feed.post(note("late"))
        with pytest.raises(StorageClosed):
            store.notes.follow(buffer=10)
