"""More calls at once than a connection carries, or than the server takes: they wait, or are told to."""

import asyncio
import resource
from collections import Counter
from collections.abc import Awaitable

import grpc
import pytest

from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.conftest import CHANNEL_OPTIONS, OpenChannel, StartServer
from tests.support.server_process import server_process
from tests.support.wire import DEADLINE, Stub, drained, note, point, retry_delay

AT_ONCE = 600
"""Calls of one client, which shares a connection among them; 256 fit."""


async def outcome(call: Awaitable[object]) -> tuple[grpc.StatusCode, float | None]:
    """The status of a call, and in how many seconds it may be tried again."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code(), retry_delay(error)
    return grpc.StatusCode.OK, None


async def chat(stub: Stub, latitude: int) -> None:
    await drained(stub.RouteChat(iter([note(latitude, 1, "x")]), timeout=DEADLINE))


@pytest.mark.parametrize("method", ["GetFeature", "RouteChat"])
async def test_calls_beyond_the_streams_of_a_connection_wait(
    start_server: StartServer, open_channel: OpenChannel, method: str
) -> None:
    stub: Stub = RouteGuideStub(open_channel(await start_server()))
    await stub.GetFeature(point(1, 1), timeout=DEADLINE)  # from here on its client knows the limit
    calls: list[Awaitable[object]] = [
        stub.GetFeature(point(each, 1), timeout=DEADLINE) if method == "GetFeature" else chat(stub, each)
        for each in range(AT_ONCE)
    ]

    outcomes = Counter(await asyncio.gather(*map(outcome, calls)))

    assert outcomes == {(grpc.StatusCode.OK, None): AT_ONCE}


async def test_calls_beyond_what_the_server_takes_are_told_when_to_try_again() -> None:
    async with server_process(storage_url="memory://", max_concurrent_calls="100") as server:
        channels = [grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) for _ in range(16)]
        stubs: list[Stub] = [RouteGuideStub(channel) for channel in channels]
        try:
            calls = [stub.GetFeature(point(1, 1), timeout=DEADLINE) for stub in stubs for _ in range(200)]
            outcomes = Counter(await asyncio.gather(*map(outcome, calls)))
        finally:
            await asyncio.gather(*(channel.close() for channel in channels))

    shed = outcomes.pop((grpc.StatusCode.RESOURCE_EXHAUSTED, 1.0), 0)
    assert outcomes == {(grpc.StatusCode.OK, None): len(calls) - shed}


async def test_server_takes_all_the_open_files_that_it_is_granted() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, soft), hard))  # the server inherits it
    try:
        async with server_process(storage_url="memory://") as server:
            assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
