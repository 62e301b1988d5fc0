"""Live notes that could get lost between servers: each is given out all the same, or its loss is told."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import closing

import asyncpg
import pytest
from structlog.testing import capture_logs

from routeguide.domain.models import Point
from routeguide.errors import NotesMissed, StorageError, StorageUnusable
from routeguide.storage.base import Retention
from routeguide.storage.postgres.listening import Listener
from routeguide.storage.postgres.options import PostgresOptions
from routeguide.storage.postgres.storage import PostgresStorage
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used
from tests.support.live_servers import (
    HERE,
    THERE,
    OpenServer,
    heard,
    leave,
    logged,
    look,
    note,
)

ELSEWHERE = Point(3, 4)


@pytest.fixture
async def administrator(postgres_url: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]", None]:
    """A connection beside the stores'."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


async def forget(
    administrator: "asyncpg.Connection[asyncpg.Record]", server: PostgresStorage, location: Point
) -> None:
    """Lets retention drop all that is kept at `location`, and time pass until it is forgotten."""
    await leave(server, "x", ELSEWHERE)
    await administrator.execute("UPDATE location SET emptied_at = emptied_at - interval '6 minutes'")
    await leave(server, "x", ELSEWHERE)
    rows = await administrator.fetch("SELECT latitude, longitude FROM location")
    assert (location.latitude, location.longitude) not in map(tuple, rows)


@pytest.mark.usefixtures("looking_rarely")
async def test_what_came_and_went_between_two_looks_is_missed_aloud(open_server: OpenServer) -> None:
    async with open_server(pooler=True) as one, open_server(Retention(total=1)) as other:
        with closing(one.notes.follow(buffer=100)) as feed:
            await feed.post(note("mine"))
            await leave(other, "a")
            await leave(other, "x", ELSEWHERE)  # which takes the place of all other notes
            await look(one)
            with pytest.raises(NotesMissed):
                feed.take()


@pytest.mark.usefixtures("looking_rarely")
async def test_what_was_forgotten_while_no_look_succeeded_is_missed_aloud(
    open_server: OpenServer,
    administrator: "asyncpg.Connection[asyncpg.Record]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_server(pooler=True) as one, open_server(Retention(total=1)) as other:
        with (
            closing(one.notes.follow(buffer=100)) as silent,
            closing(one.notes.follow(buffer=100)) as talking,
        ):
            for feed in (silent, talking):
                await feed.post(note("mine", HERE if feed is silent else THERE))
            await leave(other, "a")
            await forget(administrator, other, HERE)
            await forget(administrator, other, THERE)
            monkeypatch.setattr("routeguide.storage.postgres.live._REMEMBERED", -1.0)
            with pytest.raises(NotesMissed):
                await talking.post(note("mine too", THERE))
            await look(one)
            with pytest.raises(NotesMissed):
                silent.take()


@pytest.mark.usefixtures("looking_rarely")
async def test_who_follows_a_location_that_is_forgotten_and_begins_anew_misses_nothing(
    open_server: OpenServer, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with open_server(pooler=True) as one, open_server(Retention(total=1)) as other:
        with closing(one.notes.follow(buffer=100)) as feed:
            await feed.post(note("mine"))
            await forget(administrator, other, HERE)
            await look(one)
            await leave(other, "a")
            await look(one)
            assert await heard(feed, 1) == ["a"]

            await forget(administrator, other, HERE)
            assert list(await feed.post(note("mine again"))) == []
            await leave(other, "b")
            await look(one)
            assert await heard(feed, 1) == ["b"]


@pytest.mark.usefixtures("looking_rarely")
async def test_what_is_too_old_is_not_sent_late(
    open_server: OpenServer, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    aging = Retention(max_age=3600)
    async with open_server(aging, pooler=True) as one, open_server(aging) as other:
        with closing(one.notes.follow(buffer=100)) as feed:
            await feed.post(note("mine"))
            await leave(other, "a")
            await administrator.execute("UPDATE note SET stored_at = now() - interval '2 hours'")
            await look(one)
            with pytest.raises(NotesMissed):
                feed.take()


async def test_a_reader_catches_up_with_more_than_its_buffer_holds(open_server: OpenServer) -> None:
    """With the defaults: a thousand notes may wait, and a location keeps a hundred."""
    places = [Point(0, each) for each in range(15)]
    async with open_server(Retention(), pooler=True) as one, open_server(Retention()) as other:
        with closing(one.notes.follow(buffer=1000)) as feed:
            for place in places:
                await feed.post(note("mine", place))
            await asyncio.gather(*(leave(other, map(str, range(100)), place) for place in places))
            assert len(await heard(feed, 1500)) == 1500


async def test_looks_go_on_however_much_is_announced(
    open_server: OpenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_server() as one, open_server(live_chat=False) as silent:
        exchange = one.notes._exchange
        assert exchange is not None
        fetch = exchange._fetch

        async def fetch_and_hear_more(cursors: Mapping[Point, int]) -> None:
            exchange.search({HERE})
            await fetch(cursors)

        monkeypatch.setattr(exchange, "_fetch", fetch_and_hear_more)
        with closing(one.notes.follow(buffer=100)) as feed:
            await feed.post(note("mine"))
            await feed.post(note("mine", THERE))
            exchange.search({HERE})
            await leave(silent, "a", THERE)
            assert await heard(feed, 1) == ["a"]


@pytest.mark.usefixtures("looking_rarely")
async def test_what_was_found_while_its_own_note_was_under_way_is_searched_again(
    open_server: OpenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    aging = Retention(
        max_age=3600
    )  # so that there is something to await between the commit and what it tells
    committed, go_on = asyncio.Event(), asyncio.Event()

    async def dropped_oldest() -> None:
        committed.set()
        await go_on.wait()

    async with open_server(aging, pooler=True) as one, open_server(live_chat=False) as silent:
        with closing(one.notes.follow(buffer=100)) as feed:
            await feed.post(note("mine"))
            monkeypatch.setattr(one.notes, "_dropped_oldest", dropped_oldest)
            posting = asyncio.create_task(feed.post(note("mine too")))
            await committed.wait()
            await leave(silent, "a")
            await look(one)
            go_on.set()
            assert list(await posting) == []
            assert await heard(feed, 1) == ["a"]


async def test_an_error_that_nobody_foresaw_is_told_and_does_not_last(
    open_server: OpenServer, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Somebody has left a note that is no text."""
    async with open_server() as one, open_server() as other:
        with closing(one.notes.follow(buffer=100)) as feed, capture_logs() as logs:
            await feed.post(note("mine"))
            await leave(other, "a", THERE)
            async with administrator.transaction():
                await administrator.execute(
                    "UPDATE location SET last_number = last_number + 1 WHERE latitude = 1"
                )
                await administrator.execute(
                    "INSERT INTO note (latitude, longitude, number, stored_at, message) SELECT latitude,"
                    " longitude, last_number, now(), '\\xff' FROM location WHERE latitude = 1"
                )
            with pytest.raises(StorageError, match="the store failed"):
                await heard(feed, 1)
        assert [entry["work"] for entry in logs if entry["log_level"] == "error"] == ["looking"]
        with closing(one.notes.follow(buffer=100)) as feed:
            assert [each.message for each in await feed.post(note("mine", THERE))] == ["a"]
            await leave(other, "b", THERE)
            assert await heard(feed, 1) == ["b"]


async def test_it_is_logged_when_nothing_can_be_read_and_when_it_can_again(
    open_server: OpenServer, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with open_server() as one, open_server() as other:
        with closing(one.notes.follow(buffer=100)) as feed, capture_logs() as logs:
            await feed.post(note("mine"))
            await administrator.execute("ALTER TABLE location RENAME TO hidden")
            await logged(logs, "cannot read what other servers store", 1)
            await administrator.execute("ALTER TABLE hidden RENAME TO location")
            await logged(logs, "reads again what other servers store", 1)
            await leave(other, "a")
            assert await heard(feed, 1) == ["a"]


@pytest.mark.parametrize("address", ["localhost:nonsense", "[::1"])
async def test_a_listening_url_that_makes_no_sense_is_refused_at_start(
    open_server: OpenServer, address: str
) -> None:
    url = f"postgresql://somebody:s3cret@{address}/routeguide"
    with pytest.raises(StorageUnusable, match="the URL cannot be understood") as refused:
        async with open_server(pooler=True, listen_url=url):
            pass
    assert "s3cret" not in str(refused.value)


async def test_the_password_of_the_listening_url_stays_out_of_the_log() -> None:
    listener = Listener("postgresql://somebody:s3cret@localhost:nonsense/routeguide", PostgresOptions())
    with capture_logs() as logs:
        running = asyncio.create_task(listener.run(print, print))
        await logged(logs, "does not hear what other servers store, and looks once a second", 1)
        running.cancel()
        await asyncio.wait([running])
    assert "the URL cannot be understood" in str(logs)
    assert "s3cret" not in str(logs)
