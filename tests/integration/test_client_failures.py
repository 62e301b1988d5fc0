"""What callers of the client are told when a server does not answer as it should."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived

from routeguide.client import RouteGuideClient, RpcFailed
from routeguide.domain.models import Point, Rectangle, RouteNote
from routeguide.pb import route_guide_pb2 as pb
from routeguide.pb.route_guide_pb2_grpc import RouteGuideServicer, add_RouteGuideServicer_to_server
from tests.support.wire import DEADLINE

HERE = Point(1, 2)

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class ScriptedServicer(RouteGuideServicer):
    """Is unavailable as often as it is told to, and counts the calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.unavailable = 0

    async def GetFeature(self, request: pb.Point, context: Any) -> pb.Feature:  # noqa: N802  # the wire's name
        await self._answer(context)
        return pb.Feature(name="found", location=request)

    async def ListFeatures(self, request: pb.Rectangle, context: Any) -> AsyncIterator[pb.Feature]:  # noqa: N802  # the wire's name
        """Fails after its first feature when the number of failures is negative."""
        if self.unavailable < 0:
            self.calls += 1
            yield pb.Feature(name="first")
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone again")
        await self._answer(context)
        yield pb.Feature(name="first")

    async def RecordRoute(self, request_iterator: Any, context: Any) -> pb.RouteSummary:  # noqa: N802  # the wire's name
        await self._answer(context)
        return pb.RouteSummary()

    async def RouteChat(self, request_iterator: Any, context: Any) -> AsyncIterator[pb.RouteNote]:  # noqa: N802  # the wire's name
        await self._answer(context)
        yield pb.RouteNote(message="a reply, and the end")

    async def _answer(self, context: Any) -> None:
        self.calls += 1
        if self.calls <= self.unavailable:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "try again")


class RefusingServicer(ScriptedServicer):
    """Refuses a stream after a few messages, and does not wait for the rest."""

    async def RecordRoute(self, request_iterator: Any, context: Any) -> pb.RouteSummary:  # noqa: N802  # the wire's name
        await self._refuse(request_iterator, context)
        return pb.RouteSummary()

    async def RouteChat(self, request_iterator: Any, context: Any) -> AsyncIterator[pb.RouteNote]:  # noqa: N802  # the wire's name
        await self._refuse(request_iterator, context)
        yield pb.RouteNote()

    async def _refuse(self, requests: AsyncIterator[object], context: Any) -> None:
        for _ in range(20):
            await anext(requests)
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not this one")


@asynccontextmanager
async def connected(servicer: RouteGuideServicer) -> AsyncGenerator[RouteGuideClient, None]:
    """A client of a server of its own."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add_RouteGuideServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with RouteGuideClient(f"127.0.0.1:{port}", deadline=DEADLINE) as client, asyncio.timeout(DEADLINE):
        yield client
    await server.stop(None)


@pytest.fixture
def servicer() -> ScriptedServicer:
    return ScriptedServicer()


@pytest.fixture
async def client(servicer: ScriptedServicer) -> AsyncGenerator[RouteGuideClient, None]:
    async with connected(servicer) as client:
        yield client


@pytest.fixture
async def listener() -> AsyncGenerator[Callable[[Handler], Awaitable[str]], None]:
    """Starts servers that speak anything but gRPC, and gives their addresses."""
    servers: list[asyncio.Server] = []
    connections: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []

    async def start(handler: Handler) -> str:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await handler(reader, writer)
            finally:
                writer.close()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            connections.append(asyncio.create_task(handle(reader, writer)))

        servers.append(await asyncio.start_server(accept, "127.0.0.1", 0))
        return f"127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()
    for connection in connections:
        connection.cancel()  # grpc keeps a connection that it never got to use for a while
    await asyncio.gather(*connections, return_exceptions=True)
    for writer in writers:
        writer.close()  # a handler that is cancelled before it has begun closes nothing
    for server in servers:
        await server.wait_closed()  # from Python 3.12 on, for its connections too


@pytest.fixture
def unused_port() -> Generator[int, None, None]:
    """A port on which nobody listens, and nobody can while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def names(client: RouteGuideClient) -> AsyncIterator[str]:
    async with aclosing(client.list_features(Rectangle.GLOBE, deadline=DEADLINE)) as features:
        async for feature in features:
            yield feature.name


async def failure(call: Awaitable[object]) -> RpcFailed:
    with pytest.raises(RpcFailed) as caught:
        await call
    return caught.value


async def failure_at(target: str, *, deadline: float = DEADLINE) -> RpcFailed:
    async with RouteGuideClient(target, deadline=deadline) as client:
        return await failure(client.get_feature(HERE))


async def test_reading_is_retried_while_the_server_is_unavailable(
    client: RouteGuideClient, servicer: ScriptedServicer
) -> None:
    servicer.unavailable = 2

    assert (await client.get_feature(HERE)).name == "found"
    assert servicer.calls == 3

    servicer.calls = 0
    assert [name async for name in names(client)] == ["first"]
    assert servicer.calls == 3


async def test_retries_come_to_an_end(client: RouteGuideClient, servicer: ScriptedServicer) -> None:
    servicer.unavailable = 100

    told = await failure(client.get_feature(HERE))

    assert servicer.calls == 4
    assert str(told) == "try again (UNAVAILABLE)"


async def test_a_listing_that_has_begun_is_not_retried(
    client: RouteGuideClient, servicer: ScriptedServicer
) -> None:
    """Otherwise its first features would come twice."""
    servicer.unavailable = -1
    listed = names(client)

    assert await anext(listed) == "first"
    assert (await failure(anext(listed))).message == "gone again"
    assert servicer.calls == 1


async def test_writing_is_not_retried(client: RouteGuideClient, servicer: ScriptedServicer) -> None:
    servicer.unavailable = 1

    await failure(client.record_route([HERE], deadline=DEADLINE))
    assert servicer.calls == 1

    servicer.calls = 0
    await failure(anext(client.route_chat([RouteNote(HERE, "")], deadline=DEADLINE)))
    assert servicer.calls == 1


async def test_a_conversation_that_the_server_ends_early_is_a_failure(client: RouteGuideClient) -> None:
    async with client.chat(deadline=DEADLINE) as chat:
        with pytest.raises(RpcFailed, match="ended the call early"):
            async for _ in chat:
                pass


async def test_a_refusal_survives_writing_without_pause() -> None:
    """grpc.aio puts INTERNAL in its place when the call ends while a write is under way, as it does here."""
    codes = set()
    async with connected(RefusingServicer()) as client:
        for _ in range(20):
            told = await failure(client.record_route([HERE] * 3000, deadline=DEADLINE))
            codes.add(told.code)
            notes = [RouteNote(HERE, "")] * 3000
            told = await failure(anext(client.route_chat(notes, deadline=DEADLINE)))
            codes.add(told.code)

    assert codes == {grpc.StatusCode.INVALID_ARGUMENT}


class BrokenServicer(ScriptedServicer):
    """Fails as a server does that adds nothing to its status."""

    async def _answer(self, context: Any) -> None:
        await context.abort(grpc.StatusCode.INTERNAL, "the disk is full")


async def test_an_internal_failure_of_a_server_is_not_taken_for_a_cut() -> None:
    async with connected(BrokenServicer()) as client:
        for call in (
            client.get_feature(HERE),
            anext(names(client)),
            client.record_route([HERE], deadline=DEADLINE),
            anext(client.route_chat([RouteNote(HERE, "")], deadline=DEADLINE)),
        ):
            told = await failure(call)
            assert (str(told), told.interrupted) == ("the disk is full (INTERNAL)", False)


async def reset_after_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What a balancer does to a stream that it ends in the middle of its answer."""
    connection = H2Connection(H2Configuration(client_side=False))
    connection.initiate_connection()
    while data := await reader.read(2**16):
        for event in connection.receive_data(data):
            if isinstance(event, RequestReceived):
                headers = [(":status", "200"), ("content-type", "application/grpc")]
                connection.send_headers(event.stream_id, headers)
                connection.reset_stream(event.stream_id, ErrorCodes.INTERNAL_ERROR)
        writer.write(connection.data_to_send())
        await writer.drain()


async def test_a_call_that_was_reset_is_said_to_have_been_cut(
    listener: Callable[[Handler], Awaitable[str]],
) -> None:
    target = await listener(reset_after_headers)
    async with RouteGuideClient(target) as client, client.chat(deadline=DEADLINE) as chat:
        told = await failure(anext(chat))

    assert (told.code, told.interrupted) == (grpc.StatusCode.INTERNAL, True)
    assert str(told).startswith(f"the call to {target} was cut on its way (")


async def test_nobody_listens(unused_port: int) -> None:
    told = await failure_at(f"127.0.0.1:{unused_port}")

    assert told.code is grpc.StatusCode.UNAVAILABLE
    assert str(told).startswith(
        f"cannot connect to 127.0.0.1:{unused_port}; does a gRPC server listen there?"
    )


async def test_the_server_speaks_http_1(listener: Callable[[Handler], Awaitable[str]]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    target = await listener(answer)

    assert str(await failure_at(target)).startswith(f"cannot connect to {target}")


async def test_the_server_keeps_silent(listener: Callable[[Handler], Awaitable[str]]) -> None:
    async def wait(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    target = await listener(wait)

    told = await failure_at(target, deadline=0.2)
    assert told.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert str(told) == f"{target} did not answer within 0.2 seconds"


async def test_the_server_is_another_service() -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    told = await failure_at(f"127.0.0.1:{port}")

    await server.stop(None)
    assert told.code is grpc.StatusCode.UNIMPLEMENTED
    assert str(told).startswith(f"the server at 127.0.0.1:{port} is no RouteGuide")


async def test_the_connection_is_lost() -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])

    class Listening(ScriptedServicer):
        async def RouteChat(self, request_iterator: Any, context: Any) -> AsyncIterator[pb.RouteNote]:  # noqa: N802  # the wire's name
            yield pb.RouteNote(message="a reply")
            async for _ in request_iterator:
                continue

    add_RouteGuideServicer_to_server(Listening(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with RouteGuideClient(f"127.0.0.1:{port}") as client, client.chat(deadline=DEADLINE) as chat:
        replies = aiter(chat)
        await anext(replies)
        channel = client._connection.channel
        await server.stop(None)
        async with asyncio.timeout(DEADLINE):
            await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)  # may lag behind the call
        told = await failure(anext(replies))

    assert told.code is grpc.StatusCode.UNAVAILABLE
    assert str(told).startswith(f"lost the connection to 127.0.0.1:{port}")
