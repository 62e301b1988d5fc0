"""What feeds make of what they are told, in whatever order and however often it comes."""

import asyncio
from contextlib import suppress

import pytest

from routeguide.domain.models import Point, RouteNote
from routeguide.errors import FellBehind, NotesMissed, StorageUnavailable
from routeguide.storage.feed import Feed, Posting, Stored
from routeguide.storage.live import LiveNotes

HERE, THERE = Point(0, 0), Point(0, 1)


def stored(number: int, location: Point = HERE) -> Stored:
    return Stored(number, RouteNote(location, str(number)))


class Table:
    """A store whose commits take until the test has published them."""

    def __init__(self) -> None:
        self.live = LiveNotes(dense=True)
        self.sent = asyncio.Event()
        self.outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def post(self, _: Posting) -> None:
        self.sent.set()
        await self.outcome

    async def spoken(self, number: int, *, buffer: int = 10) -> Feed:
        """A feed that has left the note with `number` here, before which there was nothing."""
        feed = self.live.open_feed(self.post, buffer=buffer)
        self.outcome.set_result(None)
        self.commit(feed, number)
        await feed.post(RouteNote(HERE, ""))
        self.outcome = asyncio.get_running_loop().create_future()
        self.sent.clear()
        return feed

    def commit(self, feed: Feed, number: int) -> None:
        self.live.publish([Stored(number, RouteNote(HERE, "own"), feed)])


def given(feed: Feed) -> list[str]:
    return [note.message for note in feed.take()]


async def test_what_is_told_again_is_given_out_once() -> None:
    table = Table()
    feed = await table.spoken(1)
    table.live.publish([stored(2), stored(3)])
    table.live.publish_found([stored(2), stored(3), stored(4)], {HERE: 4})
    table.live.publish([stored(3), stored(4), stored(5)])
    table.live.publish_found([], {HERE: 3})  # looked at before the others were stored
    assert given(feed) == ["2", "3", "4", "5"]


async def test_what_is_found_while_its_own_note_is_under_way_may_be_its_own() -> None:
    table = Table()
    feed = await table.spoken(1)
    posting = asyncio.create_task(feed.post(RouteNote(HERE, "own")))
    await table.sent.wait()
    table.live.publish_found([stored(2), stored(3)], {HERE: 3})
    assert given(feed) == []

    table.live.publish([stored(2), Stored(3, RouteNote(HERE, "own"), feed), stored(4)])
    table.outcome.set_result(None)
    assert [note.message for note in await posting] == ["2"]
    assert given(feed) == ["4"]


async def test_a_note_whose_outcome_is_unknown_ends_its_feed() -> None:
    """It may have been stored, and would then be found and given out to its own writer."""
    table = Table()
    feed = await table.spoken(1)
    posting = asyncio.create_task(feed.post(RouteNote(HERE, "own")))
    await table.sent.wait()
    table.outcome.set_exception(StorageUnavailable("gone"))
    with suppress(StorageUnavailable):
        await posting
    table.live.publish_found([stored(2)], {HERE: 2})
    with pytest.raises(StorageUnavailable):
        feed.take()


@pytest.mark.parametrize(
    ("found", "last"), [([3], 3), ([2, 4], 4), ([], 2), ([2], 3)], ids=["first", "middle", "all", "last"]
)
async def test_a_missing_number_is_a_missed_note(found: list[int], last: int) -> None:
    table = Table()
    feed = await table.spoken(1)
    table.live.publish_found(map(stored, found), {HERE: last})
    with pytest.raises(NotesMissed):
        feed.take()


async def test_missing_numbers_elsewhere_do_not_matter() -> None:
    table = Table()
    feed = await table.spoken(1)
    table.live.publish([stored(7, THERE), stored(9, THERE)])
    table.live.publish_found([stored(11, THERE)], {THERE: 20})
    assert given(feed) == []


async def test_much_that_is_told_at_once_does_not_end_a_reader_who_reads() -> None:
    table = Table()
    feed = await table.spoken(1, buffer=2)
    for first in (2, 5):
        table.live.publish_found(map(stored, range(first, first + 3)), {HERE: first + 2})
        assert given(feed) == [str(first), str(first + 1), str(first + 2)]
        table.live.publish(map(stored, range(first, first + 3)))
    table.live.publish(map(stored, (8, 9, 10)))
    assert given(feed) == ["8", "9", "10"]


async def test_who_has_not_read_when_more_comes_is_ended() -> None:
    table = Table()
    found, published = await table.spoken(1, buffer=2), table.live.open_feed(table.post, buffer=2)
    table.commit(published, 2)
    for each in (3, 4, 5):
        table.live.publish_found([stored(2), stored(each)], {HERE: each})
    for feed in (found, published):
        with pytest.raises(FellBehind, match="by 3 notes"):
            feed.take()


async def test_a_location_that_begins_anew_is_a_gap_only_if_something_may_be_missing() -> None:
    table = Table()
    feed, other = await table.spoken(1), table.live.open_feed(table.post, buffer=2)
    table.live.begin_anew({HERE: 7}, missed=False)
    table.live.publish([stored(8)])
    table.live.begin_anew({HERE: 7}, missed=True)  # but this feed has come further
    assert given(feed) == ["8"]

    table.commit(other, 9)
    table.live.begin_anew({HERE: 20}, missed=True)
    for each in (feed, other):
        with pytest.raises(NotesMissed):
            each.take()


async def test_what_was_left_aside_is_to_be_searched_again() -> None:
    """A later note may have been found than the one that was under way."""
    table = Table()
    feed = await table.spoken(1)
    posting = asyncio.create_task(feed.post(RouteNote(HERE, "own")))
    await table.sent.wait()
    table.live.publish_found([stored(2), stored(3)], {HERE: 3})
    assert table.live.publish([Stored(2, RouteNote(HERE, "own"), feed)]) == {HERE}
    table.outcome.set_result(None)
    await posting
    assert table.live.publish([Stored(3, RouteNote(HERE, "own"), feed)]) == set()


async def test_who_follows_what_was_forgotten_unseen_is_told() -> None:
    table = Table()
    feed, elsewhere = await table.spoken(1), table.live.open_feed(table.post, buffer=2)
    table.live.publish([Stored(1, RouteNote(THERE, "own"), elsewhere)])
    table.live.miss([HERE, Point(1, 1)])
    with pytest.raises(NotesMissed):
        feed.take()
    assert given(elsewhere) == []


async def test_what_everybody_has_is_offered_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit tells of all that its locations keep, and thousands may follow one of them."""
    offered: list[int] = []

    def offer(self: Feed, note: Stored, *, dense: bool) -> None:
        offered.append(note.number)
        original(self, note, dense=dense)

    table = Table()
    feed = await table.spoken(100)
    original = Feed.offer
    monkeypatch.setattr(Feed, "offer", offer)
    table.live.publish(map(stored, range(1, 103)))
    assert offered == [101, 102]
    assert given(feed) == ["101", "102"]


async def test_only_what_somebody_follows_has_to_be_told() -> None:
    table = Table()
    here, there = Posting(RouteNote(HERE, "")), Posting(RouteNote(THERE, ""))
    assert table.live.concerned([here, there]) == set()
    feed = await table.spoken(1)
    assert table.live.concerned([here, there]) == {HERE}
    assert table.live.concerned([Posting(RouteNote(THERE, ""), feed)]) == {THERE}
    assert table.live.cursors([HERE, THERE]) == {HERE: 1}
    feed.close()
    assert table.live.concerned([here, there]) == set()
    assert table.live.followed() == set()
