"""The typed client against the server, one test for each RPC and for what streams add."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import grpc
import pytest

from routeguide.client import RouteGuideClient, RpcFailed
from routeguide.domain.models import Feature, Point, Rectangle, RouteNote
from routeguide.errors import FieldViolation
from routeguide.server.app import RunningServer
from tests.conftest import StartServer
from tests.support.wire import DEADLINE

TRAIL = Feature("Berkshire Valley Management Area Trail, Jefferson, NJ, USA", Point(409146138, -746188906))
HERE, THERE = Point(1, 2), Point(3, 4)


class SourceFailed(Exception):
    """What a caller's own points or notes may raise."""


@pytest.fixture
async def client(start_server: StartServer) -> AsyncGenerator[RouteGuideClient, None]:
    server = await start_server(max_note_bytes=8)
    async with connected(server) as client, asyncio.timeout(DEADLINE):
        yield client


def connected(server: RunningServer) -> RouteGuideClient:
    return RouteGuideClient(server.address, deadline=DEADLINE)


async def replies(client: RouteGuideClient, *notes: RouteNote) -> list[str]:
    async with aclosing(client.route_chat(notes, deadline=DEADLINE)) as answers:
        return [note.message async for note in answers]


async def listed(client: RouteGuideClient, rectangle: Rectangle) -> list[Feature]:
    async with aclosing(client.list_features(rectangle, deadline=DEADLINE)) as features:
        return [feature async for feature in features]


async def test_get_feature(client: RouteGuideClient) -> None:
    assert await client.get_feature(TRAIL.location) == TRAIL
    assert await client.get_feature(HERE) == Feature("", HERE)


async def test_list_features(client: RouteGuideClient) -> None:
    features = await listed(client, Rectangle.GLOBE)

    assert len(features) == 100
    assert TRAIL in features
    assert await listed(client, Rectangle.between(0, 0, 1, 1)) == []


async def test_a_listing_may_be_left_early(client: RouteGuideClient) -> None:
    async with aclosing(client.list_features(Rectangle.GLOBE, deadline=DEADLINE)) as features:
        first = await anext(features)

    assert first == (await listed(client, Rectangle.GLOBE))[0]


async def test_record_route_takes_points_of_either_kind(client: RouteGuideClient) -> None:
    route = [Point(1000 * i, 1000 * i) for i in range(1, 5)]

    async def travelled() -> AsyncIterator[Point]:
        for point in route:
            yield point

    for points in (route, travelled()):
        summary = await client.record_route(points, deadline=DEADLINE)
        assert (summary.point_count, summary.feature_count, summary.distance) == (4, 0, 47)


async def test_record_route_without_points(client: RouteGuideClient) -> None:
    summary = await client.record_route([], deadline=DEADLINE)

    assert (summary.point_count, summary.distance) == (0, 0)


async def test_an_error_of_the_points_ends_the_call_and_is_raised(client: RouteGuideClient) -> None:
    async def failing() -> AsyncIterator[Point]:
        yield HERE
        raise SourceFailed

    with pytest.raises(SourceFailed):
        await client.record_route(failing(), deadline=DEADLINE)


async def test_route_chat(client: RouteGuideClient) -> None:
    assert await replies(client, RouteNote(HERE, "a"), RouteNote(THERE, "b"), RouteNote(HERE, "c")) == ["a"]


async def test_an_error_of_the_notes_ends_the_conversation_and_is_raised(client: RouteGuideClient) -> None:
    async def failing() -> AsyncIterator[RouteNote]:
        yield RouteNote(HERE, "a")
        raise SourceFailed

    with pytest.raises(SourceFailed):
        async for _ in client.route_chat(failing(), deadline=DEADLINE):
            pass


async def test_a_conversation_may_be_left_early(client: RouteGuideClient) -> None:
    """What still waits to be sent is let go of with it."""
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[RouteNote]:
        try:
            yield RouteNote(HERE, "again")
            yield RouteNote(HERE, "again")
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with aclosing(client.route_chat(endless(), deadline=DEADLINE)) as answers:
        assert (await anext(answers)).message == "again"

    assert closed.is_set()


async def test_a_cancelled_caller_is_cancelled(client: RouteGuideClient) -> None:
    async def silent() -> AsyncIterator[RouteNote]:
        await asyncio.Event().wait()
        yield RouteNote(HERE, "never")

    waiting = asyncio.create_task(anext(client.route_chat(silent())))
    await asyncio.sleep(0)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_chat_answers_each_note_before_the_next(client: RouteGuideClient) -> None:
    await replies(client, RouteNote(HERE, "a"))

    async with client.chat(deadline=DEADLINE) as chat:
        answers = aiter(chat)
        for sent, answered in (("b", ["a"]), ("c", ["a", "b"])):
            await chat.send(RouteNote(HERE, sent))
            assert [(await anext(answers)).message for _ in answered] == answered
        await chat.done()
        assert [note async for note in answers] == []


async def test_several_tasks_may_send(client: RouteGuideClient) -> None:
    async with client.chat(deadline=DEADLINE) as chat:
        await asyncio.gather(*(chat.send(RouteNote(HERE, str(number))) for number in range(10)))
        await chat.done()
        answers = [note.message async for note in chat]

    assert len(answers) == 45


async def test_a_refusal_names_the_fields(client: RouteGuideClient) -> None:
    with pytest.raises(RpcFailed) as caught:
        await replies(client, RouteNote(HERE, "short"), RouteNote(HERE, "much too long"))

    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.violations == (
        FieldViolation("notes[1].message", "13 bytes of UTF-8 exceed the limit of 8"),
    )
    assert str(caught.value) == f"{caught.value.message} (INVALID_ARGUMENT)"


async def test_sending_to_a_conversation_that_was_refused(client: RouteGuideClient) -> None:
    async with client.chat(deadline=DEADLINE) as chat:
        await chat.send(RouteNote(HERE, "much too long"))
        with pytest.raises(RpcFailed, match="exceed the limit"):
            async for _ in chat:
                pass
        with pytest.raises(RpcFailed, match="exceed the limit"):
            await chat.send(RouteNote(HERE, "late"))
        await chat.done()


async def test_a_live_chat_hears_what_others_leave(start_server: StartServer) -> None:
    server = await start_server(live_chat=True)
    async with (
        asyncio.timeout(DEADLINE),
        connected(server) as client,
        client.chat(live=True, deadline=DEADLINE) as chat,
    ):
        await replies(client, RouteNote(HERE, "before"))
        await chat.send(RouteNote(HERE, "mine"))
        assert await anext(chat) == RouteNote(HERE, "before")
        await replies(client, RouteNote(HERE, "after"))
        assert await anext(chat) == RouteNote(HERE, "after")
        await chat.done()
        assert [note async for note in chat] == []


async def test_a_live_chat_where_there_is_none(client: RouteGuideClient) -> None:
    async with client.chat(live=True, deadline=DEADLINE) as chat:
        with pytest.raises(RpcFailed, match="live chat is off on this server"):
            await anext(chat)
