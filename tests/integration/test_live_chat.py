"""Live RouteChat over the wire: what others leave comes as it happens, where the stream has spoken."""

import asyncio

import grpc
import pytest

from routeguide.pb import route_guide_pb2 as pb
from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from routeguide.server.app import RunningServer
from tests.conftest import CHANNEL_OPTIONS, OpenChannel, StartServer
from tests.support.raw_http2 import HEADERS, framed, raw_client
from tests.support.server_process import server_process
from tests.support.wire import (
    DEADLINE,
    Stub,
    drained,
    failure,
    next_note,
    note,
    reason,
    violations,
)

LIVE = (("routeguide-live", "true"),)

Chat = grpc.aio.StreamStreamCall[pb.RouteNote, pb.RouteNote]


@pytest.fixture
async def server(start_server: StartServer, storage_url: str) -> RunningServer:
    """In place of the ordinary one: with live chat, once for each backend."""
    return await start_server(storage_url=storage_url, live_chat=True)


def live(stub: Stub) -> Chat:
    return stub.RouteChat(timeout=2 * DEADLINE, metadata=LIVE)


async def leave(stub: Stub, *notes: pb.RouteNote) -> list[str]:
    """Leaves notes as somebody else; returns the replies."""
    return [each.message for each in await drained(stub.RouteChat(iter(notes), timeout=DEADLINE))]


async def replies(chat: Chat, number: int) -> list[str]:
    return [(await next_note(chat)).message for _ in range(number)]


async def test_what_others_leave_comes_as_it_happens(stub: Stub) -> None:
    await leave(stub, note(1, 1, "before"))
    chat = live(stub)
    await chat.write(note(1, 1, "mine"))
    assert await replies(chat, 1) == ["before"]
    for text in ("first", "second"):
        assert await leave(stub, note(1, 1, text), note(2, 2, "elsewhere")) != []
        assert await replies(chat, 1) == [text]

    await chat.write(note(1, 1, "mine again"))  # brings back nothing: everything before it has come
    await chat.write(note(2, 2, "and here"))
    assert await replies(chat, 2) == ["elsewhere", "elsewhere"]
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF
    assert await leave(stub, note(1, 1, "?")) == ["before", "mine", "first", "second", "mine again"]


async def test_two_who_talk_see_each_other_and_not_themselves(stub: Stub) -> None:
    one, other = live(stub), live(stub)
    await leave(stub, note(1, 1, "start"))
    for chat in (one, other):
        await chat.write(note(1, 1, "hello"))
    heard = {"one": await replies(one, 1), "other": await replies(other, 1)}
    assert heard == {"one": ["start"], "other": ["start"]}
    # Whoever came first hears the other's greeting live, the other one had it in the reply.
    assert [await replies(chat, 1) for chat in (one, other)] == [["hello"], ["hello"]]
    for turn in range(5):
        speaker, listener = (one, other) if turn % 2 else (other, one)
        await speaker.write(note(1, 1, str(turn)))
        assert await replies(listener, 1) == [str(turn)]
    await asyncio.gather(one.done_writing(), other.done_writing())
    assert [await one.read(), await other.read()] == [grpc.aio.EOF, grpc.aio.EOF]


async def test_everybody_hears_everybody_once_and_in_one_order(stub: Stub) -> None:
    streams, notes_each = 8, 12  # fewer than a location keeps
    expected = (streams - 1) * notes_each

    async def talk(name: int) -> list[str]:
        chat = live(stub)
        listening = asyncio.create_task(replies(chat, expected))
        for index in range(notes_each):
            await chat.write(note(1, 1, f"{name}.{index}"))
        heard = await listening
        await chat.done_writing()
        assert await chat.read() is grpc.aio.EOF
        return heard

    async with asyncio.timeout(2 * DEADLINE):
        heard = await asyncio.gather(*map(talk, range(streams)))

    order = await leave(stub, note(1, 1, "?"))
    for name, messages in enumerate(heard):
        assert messages == [each for each in order if not each.startswith(f"{name}.")]


async def test_unless_asked_for_it_is_the_classic_chat(stub: Stub) -> None:
    chat = stub.RouteChat(timeout=DEADLINE, metadata=(("routeguide-live", "false"),))
    await chat.write(note(1, 1, "a"))
    await chat.write(note(1, 1, "b"))
    assert await replies(chat, 1) == ["a"]
    assert await leave(stub, note(1, 1, "other")) == ["a", "b"]
    await chat.write(note(1, 1, "c"))
    assert await replies(chat, 3) == ["a", "b", "other"]
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF


async def test_asked_for_where_it_is_off(start_server: StartServer, open_channel: OpenChannel) -> None:
    stub: Stub = RouteGuideStub(open_channel(await start_server()))
    error = await failure(drained(stub.RouteChat(iter([note(1, 1, "a")]), timeout=DEADLINE, metadata=LIVE)))

    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason(error) == "LIVE_CHAT_OFF"
    assert "ROUTEGUIDE_LIVE_CHAT=true" in str(error.details())
    assert await leave(stub, note(1, 1, "b")) == []


async def test_neither_yes_nor_no(stub: Stub) -> None:
    metadata = (("routeguide-live", "perhaps"),)
    error = await failure(drained(stub.RouteChat(iter([]), timeout=DEADLINE, metadata=metadata)))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == "the metadata routeguide-live must be true or false"


async def test_what_a_note_may_be_is_the_same(start_server: StartServer, open_channel: OpenChannel) -> None:
    server = await start_server(live_chat=True, live_locations=2, max_stream_messages=3, max_note_bytes=10)
    stub: Stub = RouteGuideStub(open_channel(server))
    at = [note(each, 0, "x") for each in range(4)]
    for sent, field in (
        ([at[0], note(1, 1, "x" * 11)], "notes[1].message"),
        ([at[0], at[1], at[0], at[1]], "notes[3]"),
        ([at[0], at[1], at[2]], "notes[2].location"),
        ([at[0], note(0, 2**31 - 1, "x")], "notes[1].location.longitude"),
    ):
        error = await failure(drained(stub.RouteChat(iter(sent), timeout=DEADLINE, metadata=LIVE)))
        assert list(violations(error)) == [field]


async def test_a_reader_that_falls_behind_is_told(start_server: StartServer) -> None:
    server = await start_server(live_chat=True, live_waiting_notes=20, notes_per_location=1)
    text = "x" * 4000  # a few of them fill the window that the reader grants
    async with (
        raw_client(server.port) as reader,
        grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel,
    ):
        stub: Stub = RouteGuideStub(channel)
        chat = reader.begin(
            "/routeguide.RouteGuide/RouteChat",
            [framed(note(1, 1, "reader").SerializeToString())],
            end=False,
            headers=[*HEADERS, *LIVE],
        )
        async with asyncio.timeout(DEADLINE):
            while await leave(stub, note(1, 1, "is the reader there?")) != ["reader"]:
                pass
        await leave(stub, *(note(1, 1, text) for _ in range(100)))
        response = await reader.ended(chat)

    assert response.status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert "the reader fell behind by 21 notes; reconnect" in response.headers["grpc-message"]
    assert len(response.data) < 80 * len(text)


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        ({"stream_idle_timeout": 0.5}, "no message went either way for 0.5 s; reconnect"),
        ({"stream_max_age": 0.5}, "streams end after 0.5 s; reconnect"),
    ],
)
async def test_budgets_apply(
    start_server: StartServer, open_channel: OpenChannel, budget: dict[str, float], told: str
) -> None:
    stub: Stub = RouteGuideStub(open_channel(await start_server(live_chat=True, **budget)))
    chat = live(stub)
    await chat.write(note(1, 1, "mine"))
    error = await failure(chat.read())

    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, told)


async def test_a_listener_is_told_to_reconnect_when_the_server_stops() -> None:
    async with (
        server_process(storage_url="memory://", live_chat="true", stop_grace="15") as server,
        grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel,
    ):
        stub: Stub = RouteGuideStub(channel)
        await leave(stub, note(1, 1, "0"))
        chat = live(stub)
        await chat.write(note(1, 1, "mine"))
        assert await replies(chat, 1) == ["0"]
        stopped = asyncio.create_task(server.stop())
        error = await failure(chat.read())

        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert error.details() == "the server is stopping; reconnect"
        assert reason(error) == "RECONNECT"
        assert await stopped == 0
