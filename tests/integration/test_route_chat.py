"""RouteChat over the wire."""

import asyncio
from collections.abc import AsyncIterator
from itertools import combinations

import grpc

from routeguide.pb import route_guide_pb2 as pb
from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.conftest import CHANNEL_OPTIONS, StartServer
from tests.support.wire import DEADLINE, Stub, drained, failure, next_note, note, reason, violations

POST_NOTES = [
    note(0, 0, "First message"),
    note(0, 1, "Second message"),
    note(1, 0, "Third message"),
    note(0, 0, "Fourth message"),
    note(1, 0, "Fifth message"),
]


async def chatted(stub: Stub, notes: list[pb.RouteNote]) -> list[str]:
    replies = await drained(stub.RouteChat(iter(notes), timeout=DEADLINE))
    return [reply.message for reply in replies]


async def test_the_post_s_notes_get_two_replies(stub: Stub) -> None:
    assert await chatted(stub, POST_NOTES) == ["First message", "Third message"]


async def test_notes_outlive_their_stream(stub: Stub) -> None:
    await chatted(stub, [note(5, 5, "a"), note(5, 5, "b")])

    assert await chatted(stub, [note(5, 5, "c"), note(5, 6, "elsewhere")]) == ["a", "b"]


async def test_replies_come_as_each_note_arrives(stub: Stub) -> None:
    """The client waits for the reply to each note before it sends the next."""
    call = stub.RouteChat(timeout=DEADLINE)
    await call.write(note(3, 3, "0"))
    for index in range(1, 5):
        await call.write(note(3, 3, str(index)))
        assert [(await next_note(call)).message for _ in range(index)] == [str(i) for i in range(index)]
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_any_text_comes_back_as_it_was(stub: Stub) -> None:
    texts = ["", "a\0b", "naïve 🗺️ 地図", "'; DROP TABLE note; --", " leading and trailing ", "\n"]

    assert await chatted(stub, [note(9, 9, text) for text in [*texts, "last"]]) == [
        text for end in range(1, len(texts) + 1) for text in texts[:end]
    ]


async def test_exactly_one_sees_the_other(stub: Stub) -> None:
    """Of any two notes at one location, exactly one of the writers is sent the other's."""
    writers, notes_each, locations = 12, 10, 3

    async def write(writer: int) -> dict[str, list[str]]:
        seen: dict[str, list[str]] = {}
        call = stub.RouteChat(timeout=DEADLINE)
        for index in range(notes_each):
            name = f"{writer}/{index}"
            await call.write(note(index % locations, 0, name))
            # A note of one's own at another location marks where the replies to this one end.
            await call.write(note(100 + writer, index, f"mark {name}"))
            await call.write(note(100 + writer, index, "end"))
            replies: list[str] = []
            while (reply := (await next_note(call)).message) != f"mark {name}":
                replies.append(reply)
            seen[name] = replies
        await call.done_writing()
        return seen

    seen = {
        name: replies
        for each in await asyncio.gather(*map(write, range(writers)))
        for name, replies in each.items()
    }

    for location in range(locations):
        names = [name for name in seen if int(name.split("/")[1]) % locations == location]
        for one, other in combinations(names, 2):
            assert (other in seen[one]) != (one in seen[other]), (one, other)


async def test_note_that_is_too_long(start_server: StartServer, storage_url: str) -> None:
    server = await start_server(storage_url=storage_url, max_note_bytes=10)
    async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
        stub: Stub = RouteGuideStub(channel)
        assert await chatted(stub, [note(1, 1, "ä" * 5)]) == []
        call = stub.RouteChat(iter([note(1, 1, "fits"), note(1, 1, "ä" * 5 + "!")]), timeout=DEADLINE)
        error = await failure(drained(call))

        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert violations(error) == {"notes[1].message": "11 bytes of UTF-8 exceed the limit of 10"}
        assert await chatted(stub, [note(1, 1, "next")]) == ["ä" * 5, "fits"]


async def test_more_notes_than_the_limit(start_server: StartServer, storage_url: str) -> None:
    server = await start_server(storage_url=storage_url, max_stream_messages=3)
    async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
        stub: Stub = RouteGuideStub(channel)
        call = stub.RouteChat((note(1, 1, str(i)) for i in range(4)), timeout=DEADLINE)
        error = await failure(drained(call))

        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason(error) == "LIMIT_EXCEEDED"
        assert await chatted(stub, [note(1, 1, "next")]) == ["0", "1", "2"]


async def test_location_beyond_the_globe_keeps_the_notes_before_it(stub: Stub) -> None:
    call = stub.RouteChat(iter([note(1, 1, "kept"), note(1, -1800000001, "lost")]), timeout=DEADLINE)
    error = await failure(drained(call))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert list(violations(error)) == ["notes[1].location.longitude"]
    assert await chatted(stub, [note(1, 1, "next")]) == ["kept"]


async def test_retention_bounds_the_reply(start_server: StartServer, storage_url: str) -> None:
    server = await start_server(storage_url=storage_url, notes_per_location=3)
    async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
        stub: Stub = RouteGuideStub(channel)
        await chatted(stub, [note(2, 2, str(i)) for i in range(10)])

        assert await chatted(stub, [note(2, 2, "next")]) == ["7", "8", "9"]


async def test_client_that_goes_away_in_the_middle(stub: Stub) -> None:
    async def endless() -> AsyncIterator[pb.RouteNote]:
        while True:
            yield note(4, 4, "again")
            await asyncio.sleep(0)

    for _ in range(10):
        call = stub.RouteChat(endless(), timeout=DEADLINE)
        await call.read()
        call.cancel()

    assert await chatted(stub, [note(8, 8, "a"), note(8, 8, "b")]) == ["a"]
