"""Posting notes, and what their writers are given."""

import asyncio
import itertools
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routeguide.domain.models import Point, RouteNote
from routeguide.storage.base import Storage
from tests.contract.conftest import DURABLE, OpenStore

HERE, THERE = Point(0, 0), Point(0, 1)

_fresh_latitudes = itertools.count(1)


async def test_a_writer_is_given_what_was_stored_there_before(store: Storage) -> None:
    first, second, third = (RouteNote(HERE, text) for text in ("first", "second", "third"))
    assert list(await store.notes.post(first)) == []
    assert list(await store.notes.post(second)) == [first]
    assert list(await store.notes.post(RouteNote(THERE, "elsewhere"))) == []
    assert list(await store.notes.post(third)) == [first, second]
    assert await store.notes.count() == 4


@pytest.mark.parametrize(
    "message", ["", "\0", "a\0b", "🙂" * 100, "\ud7ff\ue000", "x" * 100_000, '{"json": null}']
)
async def test_messages_come_back_as_they_went_in(store: Storage, message: str) -> None:
    await store.notes.post(RouteNote(HERE, message))
    assert list(await store.notes.post(RouteNote(HERE, "?"))) == [RouteNote(HERE, message)]


async def test_equal_messages_are_different_notes(store: Storage) -> None:
    await store.notes.post(RouteNote(HERE, "same"))
    await store.notes.post(RouteNote(HERE, "same"))
    assert len(await store.notes.post(RouteNote(HERE, "same"))) == 2


@pytest.mark.parametrize("backend", DURABLE)
async def test_notes_outlive_the_process_that_posted_them(open_store: OpenStore) -> None:
    async with open_store() as first:
        await first.notes.post(RouteNote(HERE, "kept"))
    async with open_store() as second:
        assert list(await second.notes.post(RouteNote(HERE, "?"))) == [RouteNote(HERE, "kept")]


Step = tuple[int, int]
"""A location to post at, and how many turns of the loop to let pass before it."""
WRITERS = st.lists(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), min_size=1, max_size=6), min_size=2, max_size=8
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writers=WRITERS)
async def test_of_any_two_notes_exactly_one_writer_sees_the_others(
    store: Storage, writers: list[list[Step]]
) -> None:
    latitude = next(_fresh_latitudes)  # what earlier examples left lies elsewhere
    given_to: dict[Point, dict[str, list[str]]] = defaultdict(dict)

    async def write(writer: int, steps: list[Step]) -> None:
        for number, (place, turns) in enumerate(steps):
            for _ in range(turns):
                await asyncio.sleep(0)
            note = RouteNote(Point(latitude, place), f"{writer}.{number}")
            replies = await store.notes.post(note)
            given_to[note.location][note.message] = [reply.message for reply in replies]

    await asyncio.gather(*(write(writer, steps) for writer, steps in enumerate(writers)))
    for replies in given_to.values():
        _assert_one_order(replies)


def _assert_one_order(replies: dict[str, list[str]]) -> None:
    """There is one order of all notes, each writer's own notes rise in it, and each saw exactly its past."""
    for one, other in itertools.combinations(replies, 2):
        assert (one in replies[other]) != (other in replies[one])
    order = sorted(replies, key=lambda message: len(replies[message]))
    for place, message in enumerate(order):
        assert replies[message] == order[:place]
    for writer, notes in itertools.groupby(sorted(order), key=lambda message: message.split(".")[0]):
        own = [message for message in order if message.split(".")[0] == writer]
        assert own == list(notes)


async def test_hundreds_of_writers_at_one_location_agree_on_one_order(open_store: OpenStore) -> None:
    from_all = [RouteNote(HERE, f"{each:03}") for each in range(300)]
    async with open_store() as store:
        replies = await asyncio.gather(*(store.notes.post(note) for note in from_all))
        seen = {
            note.message: [each.message for each in past]
            for note, past in zip(from_all, replies, strict=True)
        }
    order = sorted(seen, key=lambda message: (len(seen[message]), seen[message][-1:]))
    _assert_newest_of_one_order(seen, order[0], keeps=100)


def _assert_newest_of_one_order(seen: dict[str, list[str]], first: str, keeps: int) -> None:
    """Each note was given the newest `keeps` before it: the last of them is the one just before."""
    follower = {past[-1]: message for message, past in seen.items() if past}
    order = [first]
    while order[-1] in follower:
        order.append(follower[order[-1]])
    assert len(order) == len(seen)
    for place, message in enumerate(order):
        assert seen[message] == order[max(0, place - keeps) : place]
