"""Live notes between stores on one database, each as a server of its own opens it."""

import asyncio
from contextlib import closing, suppress

import asyncpg
import pytest
from structlog.testing import capture_logs

from routeguide.errors import NotesMissed, StorageUnavailable
from routeguide.storage.base import Retention
from routeguide.storage.postgres.listening import CHANNEL
from routeguide.storage.postgres.storage import PostgresStorage
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used
from tests.support.live_servers import (
    DEADLINE,
    HERE,
    LISTENS,
    THERE,
    OpenServer,
    heard,
    leave,
    listening,
    logged,
    note,
)
from tests.support.pgbouncer import running_pgbouncer
from tests.support.postgres import Cluster, administer, running_cluster


async def leave_at_last(server: PostgresStorage, text: str) -> None:
    """Leaves a note as soon as the server has found the database again."""
    async with asyncio.timeout(DEADLINE):
        while True:
            with suppress(StorageUnavailable):
                return await leave(server, text)
            await asyncio.sleep(0.1)


@pytest.mark.usefixtures("looking_rarely")
async def test_what_another_server_stores_is_announced(open_server: OpenServer) -> None:
    async with listening(open_server()) as one, open_server() as other:
        with closing(one.notes.follow(buffer=100)) as feed:
            await feed.post(note("mine"))
            await leave(other, "abc")
            await leave(other, "x", THERE)
            assert await heard(feed, 3) == ["a", "b", "c"]
            assert [each.message for each in await feed.post(note("mine", THERE))] == ["x"]
            await leave(one, "d", THERE)
            assert await heard(feed, 1) == ["d"]


@pytest.mark.usefixtures("looking_rarely")
async def test_a_lost_listener_catches_up(open_server: OpenServer, postgres_cluster: Cluster) -> None:
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%listening'"
    with capture_logs() as logs:
        async with open_server() as one, open_server(pooler=True) as other:  # which does not listen
            with closing(one.notes.follow(buffer=100)) as feed:
                await feed.post(note("mine"))
                for times, text in enumerate("abc", 1):
                    await logged(logs, LISTENS, times)
                    await administer(postgres_cluster, cut)
                    await leave(other, text)
                    assert await heard(feed, 1) == [text]


async def test_looks_alone_bring_everything(open_server: OpenServer) -> None:
    """Behind a pooler there is nothing to listen on."""
    async with open_server(pooler=True) as one, open_server(live_chat=False) as other:
        with closing(one.notes.follow(buffer=100)) as feed:
            await feed.post(note("mine"))
            await leave(other, "abc")
            assert await heard(feed, 3) == ["a", "b", "c"]


@pytest.mark.usefixtures("looking_rarely")
async def test_past_the_pooler_there_is_something_to_listen_on(
    open_server: OpenServer, postgres_url: str
) -> None:
    past_it = open_server(pooler=True, listen_url=postgres_url)
    async with listening(past_it) as one, open_server(pooler=True) as other:
        with closing(one.notes.follow(buffer=100)) as feed:
            await feed.post(note("mine"))
            await leave(other, "abc")
            assert await heard(feed, 3) == ["a", "b", "c"]


@pytest.mark.usefixtures("looking_rarely")
async def test_announcements_pass_a_pooler(
    open_server: OpenServer, postgres_cluster: Cluster, postgres_url: str
) -> None:
    with running_pgbouncer(postgres_cluster) as port:
        pooled = {"pooler": True, "listen_url": postgres_url}
        url = postgres_cluster.url_of(postgres_url.rpartition("/")[2], port=port)
        async with listening(open_server(url=url, **pooled)) as one, open_server(url=url, **pooled) as other:
            with closing(one.notes.follow(buffer=100)) as feed:
                await feed.post(note("mine"))
                await leave(other, "abc")
                assert await heard(feed, 3) == ["a", "b", "c"]


async def test_a_restart_of_the_database_delays_and_loses_nothing(open_server: OpenServer) -> None:
    with running_cluster() as cluster:
        async with open_server(url=cluster.url) as one, open_server(url=cluster.url) as other:
            with closing(one.notes.follow(buffer=100)) as feed:
                await feed.post(note("mine"))
                await leave(other, "abc")
                cluster.stop()
                cluster.start()
                await leave_at_last(other, "d")
                assert await heard(feed, 4) == ["a", "b", "c", "d"]


async def test_notes_that_retention_dropped_too_early_are_missed_aloud(open_server: OpenServer) -> None:
    few = Retention(per_location=2)
    async with open_server(few, pooler=True) as one, open_server(few) as other:

        async def keep_hearing() -> None:
            with closing(one.notes.follow(buffer=100)) as feed:
                await feed.post(note("mine"))
                while True:  # a look may come in between
                    await leave(other, "abcdefgh")
                    await heard(feed, 1)

        with pytest.raises(NotesMissed):
            async with asyncio.timeout(DEADLINE):
                await keep_hearing()


async def test_a_server_without_live_chat_announces_nothing(
    open_server: OpenServer, postgres_url: str
) -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(postgres_url)
    await listener.add_listener(
        CHANNEL, lambda _connection, _pid, _channel, payload: said.put_nowait(payload)
    )
    async with open_server(live_chat=False) as silent, open_server() as telling:
        await leave(silent, "abc", HERE)
        await leave(telling, "x", THERE)
        async with asyncio.timeout(DEADLINE):
            assert (await said.get()).endswith(f" {THERE}")
    await listener.close()


@pytest.mark.usefixtures("looking_rarely")
async def test_rubbish_on_the_channel_does_no_harm(open_server: OpenServer, postgres_url: str) -> None:
    anybody = await asyncpg.connect(postgres_url)
    async with listening(open_server()) as one, open_server() as other:
        with closing(one.notes.follow(buffer=100)) as feed:
            await feed.post(note("mine"))
            for rubbish in ("", " ", "x 1", "x 1,2,3", "x a,b", "x 900000001,0", f"x {'9' * 5000},1"):
                await anybody.execute("SELECT pg_notify($1, $2)", CHANNEL, rubbish)
            await leave(other, "a")
            assert await heard(feed, 1) == ["a"]
    await anybody.close()


async def test_many_servers_and_feeds_agree_on_one_order(open_server: OpenServer) -> None:
    """Every feed speaks and hears through its own server; each lacks only its own notes, in the one order."""
    notes_each, feeds_each = 20, 3
    async with open_server() as one, open_server() as two, open_server() as three:
        servers = [server for server in (one, two, three) for _ in range(feeds_each)]
        expected = (len(servers) - 1) * notes_each

        async def talk(name: int, server: PostgresStorage) -> list[str]:
            given: list[str] = []
            with closing(server.notes.follow(buffer=1000)) as feed:
                for each in range(notes_each):
                    given += [reply.message for reply in await feed.post(note(f"{name}.{each}"))]
                return given + await heard(feed, expected - len(given))

        given = await asyncio.gather(*(talk(name, server) for name, server in enumerate(servers)))
        order = [each.message for each in await one.notes.post(note("?"))]
    for name, messages in enumerate(given):
        assert messages == [each for each in order if not each.startswith(f"{name}.")]
