"""Live notes between those who share a SQLite file: two stores here, as two processes have them."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from routeguide.domain.models import Point, RouteNote
from routeguide.errors import NotesMissed, StorageError
from routeguide.storage.base import LiveFeed, Retention, Storage
from routeguide.storage.sqlite.connection import DatabaseFile
from routeguide.storage.sqlite.storage import open_sqlite
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used
from tests.support.live_feeds import given, texts
from tests.support.wire import DEADLINE

HERE, THERE = Point(0, 0), Point(0, 1)

OpenPair = Callable[[Retention], Awaitable[tuple[Storage, Storage]]]


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def open_pair(tmp_path: Path, clock: Clock) -> AsyncGenerator[OpenPair, None]:
    """Opens a file twice."""
    async with AsyncExitStack() as stack:

        async def opened(retention: Retention) -> Storage:
            file = DatabaseFile(tmp_path / "routeguide.db", timeout=DEADLINE)
            store = await open_sqlite(file, retention=retention, clock=clock)
            stack.push_async_callback(store.close)
            return store

        async def open_pair(retention: Retention) -> tuple[Storage, Storage]:
            return await opened(retention), await opened(retention)

        yield open_pair


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routeguide.storage.sqlite.live._LOOK", 0.02)


@pytest.fixture
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the one at the beginning."""
    monkeypatch.setattr("routeguide.storage.sqlite.live._LOOK", 2 * DEADLINE)


def note(message: str, location: Point = HERE) -> RouteNote:
    return RouteNote(location, message)


async def leave(store: Storage, *notes: RouteNote) -> None:
    for each in notes:
        await store.notes.post(each)


async def test_a_feed_hears_what_other_processes_store(open_pair: OpenPair) -> None:
    one, other = await open_pair(Retention())
    with closing(one.notes.follow(buffer=10)) as feed:
        await feed.post(note("mine"))
        await leave(other, note("first"), note("elsewhere", THERE), note("second"))
        assert await given(feed, 2) == ["first", "second"]
        await leave(other, note("third"))
        assert await given(feed, 1) == ["third"]
        assert texts(await feed.post(note("mine again"))) == []


@pytest.mark.usefixtures("no_looks")
async def test_a_note_of_this_process_brings_along_what_others_left(open_pair: OpenPair) -> None:
    one, other = await open_pair(Retention())
    with closing(one.notes.follow(buffer=10)) as feed:
        await feed.post(note("mine"))
        await leave(other, note("first"))
        await leave(one, note("second"))
        assert await given(feed, 2) == ["first", "second"]


@pytest.mark.usefixtures("quick_looks")
@pytest.mark.parametrize(
    ("retention", "left"),
    [
        (Retention(per_location=3), [note("lost"), *(note(str(each)) for each in range(3))]),
        (Retention(total=3), [note("lost"), *(note(str(each), THERE) for each in range(5))]),
    ],
    ids=["of the location", "of all"],
)
async def test_what_is_dropped_before_a_look_is_told(
    open_pair: OpenPair, retention: Retention, left: Sequence[RouteNote], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await open_pair(retention)
    with closing(one.notes.follow(buffer=10)) as feed:
        with monkeypatch.context() as held:
            held.setattr("routeguide.storage.live.LiveNotes.followed", lambda _: ())  # nobody looks meanwhile
            await feed.post(note("mine"))
            await leave(other, *left)
        with pytest.raises(NotesMissed):
            await given(feed, 1)


@pytest.mark.usefixtures("no_looks")
async def test_what_is_dropped_before_a_note_of_this_process_is_told(open_pair: OpenPair) -> None:
    one, other = await open_pair(Retention(per_location=3))
    with closing(one.notes.follow(buffer=10)) as feed:
        await feed.post(note("mine"))
        await leave(other, note("lost"), *(note(str(each)) for each in range(3)))
        await leave(one, note("of this process"))
        with pytest.raises(NotesMissed):
            await given(feed, 1)


@pytest.mark.usefixtures("quick_looks")
async def test_who_is_alone_misses_nothing_however_little_is_kept(open_pair: OpenPair) -> None:
    one, _ = await open_pair(Retention(per_location=1, total=2))
    with closing(one.notes.follow(buffer=100)) as feed:
        await feed.post(note("mine"))
        await leave(one, *(note(str(each), THERE) for each in range(30)))
        assert texts(await feed.post(note("mine again"))) == []
        await leave(one, *(note(str(each)) for each in range(30)))
        assert await given(feed, 30) == [str(each) for each in range(30)]


@pytest.mark.usefixtures("quick_looks")
async def test_others_elsewhere_end_no_feed_where_nobody_spoke(open_pair: OpenPair) -> None:
    one, other = await open_pair(Retention(total=50))
    with closing(one.notes.follow(buffer=10)) as feed, closing(one.notes.follow(buffer=200)) as witness:
        await feed.post(note("mine"))
        await witness.post(note("witness", THERE))
        for each in range(100):  # its own note is dropped on the way
            await leave(other, note(str(each), THERE))
            assert await given(witness, 1) == [str(each)]
        assert texts(await feed.post(note("mine again"))) == []


@pytest.mark.usefixtures("no_looks")
async def test_what_is_too_old_is_given_to_nobody(open_pair: OpenPair, clock: Clock) -> None:
    one, other = await open_pair(Retention(max_age=60))
    with closing(one.notes.follow(buffer=10)) as feed:
        await feed.post(note("mine"))
        await leave(other, note("old"))
        clock.now += 61
        await leave(one, note("new"))
        assert await given(feed, 1) == ["new"]


@pytest.mark.usefixtures("quick_looks")
@pytest.mark.parametrize("seed", range(3))
async def test_everybody_is_given_every_note_of_others_once_and_in_order(
    open_pair: OpenPair, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311  # repeatable
    pair = await open_pair(Retention(per_location=1000))
    feeds = [store.notes.follow(buffer=1000) for store in (*pair, *pair)]
    heard: list[list[str]] = [[] for _ in feeds]

    async def converse(name: int, feed: LiveFeed) -> None:
        for step in range(25):
            heard[name] += texts(await feed.post(note(f"{name}.{step}")))
            await asyncio.sleep(dice.random() / 50)
            heard[name] += texts(feed.take())

    await asyncio.gather(*(converse(name, feed) for name, feed in enumerate(feeds)))
    for name, feed in enumerate(feeds):
        heard[name] += await given(feed, 75 - len(heard[name])) if len(heard[name]) < 75 else []
        feed.close()
    order = texts(await pair[0].notes.post(note("what is here?")))
    for name, messages in enumerate(heard):
        assert messages == [each for each in order if not each.startswith(f"{name}.")]


@pytest.mark.usefixtures("quick_looks")
async def test_looks_that_fail_are_logged_once_and_go_on(open_pair: OpenPair, tmp_path: Path) -> None:
    one, other = await open_pair(Retention())
    file, away = tmp_path / "routeguide.db", tmp_path / "away.db"
    with closing(one.notes.follow(buffer=10)) as feed, capture_logs() as logs:
        await feed.post(note("mine"))
        file.rename(away)
        async with asyncio.timeout(DEADLINE):
            while not logs:  # noqa: ASYNC110  # a log has no event
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # for some more looks
        away.rename(file)
        await leave(other, note("back"))
        assert await given(feed, 1) == ["back"]

    assert [entry["event"] for entry in logs] == [
        "cannot read what other processes store",
        "reads again what other processes store",
    ]


@pytest.mark.usefixtures("quick_looks")
async def test_a_look_that_fails_unforeseen_ends_the_feeds_and_not_the_looks(
    open_pair: OpenPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await open_pair(Retention())
    with closing(one.notes.follow(buffer=10)) as feed, capture_logs() as logs:
        with monkeypatch.context() as broken:
            broken.setattr("routeguide.storage.sqlite.live._find_beyond", lambda *_, **__: 1 / 0)
            await feed.post(note("mine"))
            await leave(other, note("unheard"))
            with pytest.raises(StorageError, match="the store failed"):
                await given(feed, 1)
        assert [entry["event"] for entry in logs] == ["a look at what other processes store has failed"]

    with closing(one.notes.follow(buffer=10)) as again:
        assert texts(await again.post(note("mine again"))) == ["mine", "unheard"]
        await leave(other, note("heard"))
        assert await given(again, 1) == ["heard"]
