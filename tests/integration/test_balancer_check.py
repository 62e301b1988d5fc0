"""What a balancer's check is answered, in every shape in which one might ask."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from h2.errors import ErrorCodes

from routeguide.server.app import RunningServer, serving
from routeguide.settings import Settings
from tests.conftest import CHANNEL_OPTIONS, OpenChannel, StartServer
from tests.support.raw_http2 import HEADERS, framed, raw_client
from tests.support.wire import DEADLINE, failure

PATH = "/AWS.ALB/healthcheck"
READY = grpc.StatusCode.UNIMPLEMENTED.value[0]
NOT_READY = grpc.StatusCode.UNAVAILABLE.value[0]

SHAPES = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]
BODIES = {"no body": [], "an empty message": [framed(b"")], "a message": [framed(b"\x0a\x03abc")]}


@asynccontextmanager
async def draining_server() -> AsyncGenerator[RunningServer, None]:
    """A server that still serves, and says that it will not for long."""
    settings = Settings(listen="localhost:0", storage_url="memory://", drain_delay=DEADLINE)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(settings))
        draining = asyncio.create_task(stack.aclose())
        try:
            await not_ready(server)
            yield server
        finally:
            draining.cancel()
            await asyncio.wait([draining])


async def not_ready(server: RunningServer) -> None:
    """Returns when the server has told a watcher that it is not ready."""
    async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
        watch = HealthStub(channel).Watch(HealthCheckRequest(), timeout=DEADLINE)
        while (await watch.read()).status != HealthCheckResponse.NOT_SERVING:
            pass


@pytest.mark.parametrize("body", BODIES)
async def test_raw_request(start_server: StartServer, body: str) -> None:
    server = await start_server()
    async with raw_client(server.port) as client:
        response = await client.call(PATH, BODIES[body])

    assert response.status == READY


async def test_raw_request_while_it_drains() -> None:
    async with draining_server() as server, raw_client(server.port) as client:
        for body in BODIES.values():
            assert (await client.call(PATH, body)).status == NOT_READY


@pytest.mark.parametrize("shape", SHAPES)
async def test_grpc_client_of_every_shape(
    start_server: StartServer, open_channel: OpenChannel, shape: str
) -> None:
    error = await checked(open_channel(await start_server()), shape)

    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert error.details() == "ready"


@pytest.mark.parametrize("shape", SHAPES)
async def test_grpc_client_of_every_shape_while_it_drains(shape: str) -> None:
    async with (
        draining_server() as server,
        grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel,
    ):
        error = await checked(channel, shape)

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == "not ready"


async def checked(channel: grpc.aio.Channel, shape: str) -> grpc.aio.AioRpcError:
    """What a check is told that is called as a method of this shape."""
    rpc = getattr(channel, shape)(PATH)
    call = rpc(iter([b""]) if shape.startswith("stream") else b"", timeout=DEADLINE)
    return await failure(call.read() if shape.endswith("stream") else call)


async def test_request_without_te_is_beyond_us(start_server: StartServer) -> None:
    """grpc's core resets the stream before anything of ours runs: to a balancer the server is unhealthy."""
    server = await start_server()
    plain = [header for header in HEADERS if header[0] != "te"]
    async with raw_client(server.port) as client:
        response = await client.call(PATH, headers=plain)

    assert (response.status, response.reset) == (None, ErrorCodes.INTERNAL_ERROR)


async def test_it_needs_no_reflection_and_is_not_listed(start_server: StartServer) -> None:
    server = await start_server(reflection=False)
    async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
        error = await failure(channel.unary_unary(PATH)(b"", timeout=DEADLINE))  # type: ignore[arg-type]  # no serialiser

    assert error.details() == "ready"
