"""Live streams that end before their time: the client is told why, and nothing stays behind."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest

from routeguide.errors import NotesMissed
from routeguide.pb import route_guide_pb2 as pb
from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from routeguide.storage.live import LiveNotes
from tests.conftest import OpenChannel, StartServer
from tests.support.wire import DEADLINE, Stub, drained, failure, next_note, note, reason

LIVE = (("routeguide-live", "true"),)

Chat = grpc.aio.StreamStreamCall[pb.RouteNote, pb.RouteNote]


class Feeds:
    """The live streams of the server under test, seen from its store."""

    def __init__(self) -> None:
        self.stores: list[LiveNotes] = []

    @property
    def number(self) -> int:
        return sum(len(store._feeds) for store in self.stores)

    @property
    def followed(self) -> int:
        return sum(len(store.followed()) for store in self.stores)

    def fail(self) -> None:
        for store in self.stores:
            for feed in tuple(store._feeds):
                feed.fail(NotesMissed())


@pytest.fixture
def feeds(monkeypatch: pytest.MonkeyPatch) -> Feeds:
    feeds = Feeds()
    begin = LiveNotes.__init__

    def begin_known(live: LiveNotes, **options: Any) -> None:
        begin(live, **options)
        feeds.stores.append(live)

    monkeypatch.setattr(LiveNotes, "__init__", begin_known)
    return feeds


@pytest.fixture(params=["", "localhost:0"], ids=["plain", "timed"])
async def stub(
    feeds: Feeds, start_server: StartServer, open_channel: OpenChannel, request: pytest.FixtureRequest
) -> Stub:
    """Of a server whose store is timed, as it is where there are metrics, or not."""
    server = await start_server(live_chat=True, max_note_bytes=10, metrics_listen=request.param)
    assert len(feeds.stores) == 1
    return RouteGuideStub(open_channel(server))


async def followed(stub: Stub, place: int) -> Chat:
    """A live stream that is known to follow a new place."""
    await drained(stub.RouteChat(iter([note(place, 0, "before")]), timeout=DEADLINE))
    chat = stub.RouteChat(timeout=2 * DEADLINE, metadata=LIVE)
    await chat.write(note(place, 0, "mine"))
    await next_note(chat)
    return chat


def be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hears a client out however long the machine keeps it from writing."""
    for patience in ("_PAUSE", "_LONGEST_HEARING"):
        monkeypatch.setattr(f"routeguide.server.hearing.{patience}", 2 * DEADLINE)


async def writing(chat: Chat) -> None:
    """Sends on and on; fails if the call ends meanwhile."""
    for _ in range(300):
        await chat.write(note(1, 1, "more"))
    await chat.done_writing()


async def test_a_client_that_is_writing_is_told_what_it_missed(
    monkeypatch: pytest.MonkeyPatch, stub: Stub, feeds: Feeds
) -> None:
    """grpc.aio's client would report an INTERNAL of its own, were the call to end under its writes."""
    be_patient(monkeypatch)
    chat = await followed(stub, 1)
    feeds.fail()
    await writing(chat)
    error = await failure(chat.read())

    assert (error.code(), reason(error)) == (grpc.StatusCode.ABORTED, "NOTES_MISSED")


async def test_a_client_that_is_writing_is_told_that_it_asked_wrongly(
    monkeypatch: pytest.MonkeyPatch, stub: Stub
) -> None:
    be_patient(monkeypatch)
    chat = stub.RouteChat(timeout=2 * DEADLINE, metadata=(("routeguide-live", "perhaps"),))
    await writing(chat)
    error = await failure(chat.read())

    assert (error.code(), reason(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")


async def cancelled(chat: Chat, _: Feeds) -> None:
    chat.cancel()


async def broken(chat: Chat, feeds: Feeds) -> None:
    feeds.fail()
    await failure(chat.read())


async def refused(chat: Chat, _: Feeds) -> None:
    await chat.write(note(1, 1, "longer than ten bytes"))
    await failure(chat.read())


async def finished(chat: Chat, _: Feeds) -> None:
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF


@pytest.mark.parametrize("ended", [cancelled, broken, refused, finished])
async def test_a_stream_leaves_nothing_behind(
    stub: Stub, feeds: Feeds, ended: Callable[[Chat, Feeds], Awaitable[None]]
) -> None:
    await finished(await followed(stub, 0), feeds)
    tasks = len(asyncio.all_tasks())
    for place in range(1, 6):
        await ended(await followed(stub, place), feeds)

    async with asyncio.timeout(DEADLINE):
        while feeds.number or feeds.followed or len(asyncio.all_tasks()) > tasks:  # noqa: ASYNC110  # the absence of tasks is no event
            await asyncio.sleep(0.01)
