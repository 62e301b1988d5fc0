"""How long calls may take, how many there may be, and what those are told that are too many or too long."""

import asyncio
import itertools
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from routeguide.storage.memory import MemoryFeatureRepository
from tests.conftest import OpenChannel, StartServer
from tests.support.raw_http2 import HEADERS, framed, raw_client
from tests.support.wire import DEADLINE, Stub, drained, failure, next_note, note, point, reason, retry_delay

SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> asyncio.Semaphore:
    """Lookups that never come back; each one that has begun releases the semaphore."""
    begun = asyncio.Semaphore(0)

    async def never(*_: Any) -> Any:
        begun.release()
        await asyncio.Event().wait()

    monkeypatch.setattr(MemoryFeatureRepository, "find", never)
    return begun


@pytest.mark.usefixtures("stuck")
async def test_unary_call_that_takes_too_long(start_server: StartServer, open_channel: OpenChannel) -> None:
    stub: Stub = RouteGuideStub(open_channel(await start_server(unary_timeout=0.3)))

    error = await failure(stub.GetFeature(point(1, 1), timeout=DEADLINE))

    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert error.details() == "the call took longer than 0.3 s"
    assert reason(error) == "DEADLINE_EXCEEDED"


async def test_unary_call_that_never_sends_its_message(start_server: StartServer) -> None:
    server = await start_server(unary_timeout=0.3)
    async with raw_client(server.port) as client:
        response = await client.call("/routeguide.RouteGuide/GetFeature", end=False)

    assert response.status == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]


async def test_stream_that_falls_silent(start_server: StartServer, open_channel: OpenChannel) -> None:
    stub: Stub = RouteGuideStub(open_channel(await start_server(stream_idle_timeout=4)))
    chat = stub.RouteChat(timeout=DEADLINE)
    now = asyncio.get_running_loop().time
    talks_until = now() + 4.5  # longer than the budget in all, but never silent for nearly as long
    for place in itertools.takewhile(lambda _: now() < talks_until, itertools.count()):
        await chat.write(note(1, place, "asked"))
        await chat.write(note(1, place, "again"))
        await next_note(chat)
        await asyncio.sleep(0.01)

    error = await failure(chat.read())

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == "no message went either way for 4 s; reconnect"


async def test_stream_that_grows_old(start_server: StartServer, open_channel: OpenChannel) -> None:
    stub: Stub = RouteGuideStub(open_channel(await start_server(stream_max_age=0.5)))
    chat = stub.RouteChat(timeout=DEADLINE)

    error = await failure(chat.read())

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == "streams end after 0.5 s; reconnect"


async def test_failed_stream_that_is_still_heard_out_ends_when_it_is_told_to(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that goes on sending after its refusal holds up neither a budget nor a stop."""
    for patience in ("_PAUSE", "_LONGEST_HEARING"):
        monkeypatch.setattr(f"routeguide.server.hearing.{patience}", 2 * DEADLINE)
    server = await start_server(stream_max_age=0.5)
    refused = framed(note(2**31 - 1, 1, "x").SerializeToString())
    async with raw_client(server.port) as client:
        response = await client.call("/routeguide.RouteGuide/RouteChat", [refused], end=False)

    assert response.status == grpc.StatusCode.UNAVAILABLE.value[0]


async def test_too_many_calls_are_shed_and_health_is_not(
    start_server: StartServer, open_channel: OpenChannel, stuck: asyncio.Semaphore
) -> None:
    channel = open_channel(await start_server(max_concurrent_calls=3))
    stub: Stub = RouteGuideStub(channel)
    health = health_pb2_grpc.HealthStub(channel)
    watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=DEADLINE)
    assert (await watch.read()).status == SERVING
    held = [asyncio.ensure_future(failure(stub.GetFeature(point(1, 1), timeout=DEADLINE))) for _ in range(3)]
    async with asyncio.timeout(DEADLINE):
        for _ in held:
            await stuck.acquire()

    error = await failure(stub.GetFeature(point(1, 1), timeout=DEADLINE))

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason(error) == "OVERLOADED"
    assert retry_delay(error) == 1.0
    assert (await health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE)).status == SERVING
    for call in held:
        call.cancel()


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ((("x-request-id", "mine"),), "mine"),
        ((("x-amzn-trace-id", "Root=1-67891233-abcdef"),), "Root=1-67891233-abcdef"),
        ((("x-amzn-trace-id", "Root=1-2-3"), ("x-request-id", "mine")), "mine"),
        ((("x-request-id", "x" * 256),), "x" * 256),
        ((("x-request-id", "x" * 257), ("x-amzn-trace-id", "Root=1")), "Root=1"),
        ((("x-request-id", '{"job": 1}'),), '{"job": 1}'),
        ((("x-request-id", ""), ("x-amzn-trace-id", "Root=1")), "Root=1"),
    ],
)
async def test_request_id_comes_back(
    start_server: StartServer,
    open_channel: OpenChannel,
    sent: tuple[tuple[str, str], ...],
    told: str,
) -> None:
    stub: Stub = RouteGuideStub(open_channel(await start_server()))
    call = stub.GetFeature(point(1, 1), timeout=DEADLINE, metadata=sent)
    await call

    assert dict(await call.trailing_metadata() or ()) == {"x-request-id": told}


async def test_request_id_is_made_where_none_is_given(
    start_server: StartServer, open_channel: OpenChannel
) -> None:
    stub: Stub = RouteGuideStub(open_channel(await start_server()))
    made = set()
    for _ in range(10):
        call = stub.GetFeature(point(1, 1), timeout=DEADLINE)
        await call
        made.add(dict(await call.trailing_metadata() or ())["x-request-id"])

    refused = await failure(drained(stub.RouteChat(iter([note(2**31 - 1, 1, "x")]), timeout=DEADLINE)))

    assert len(made) == 10
    assert dict(refused.trailing_metadata() or ())["x-request-id"] not in made


@pytest.mark.parametrize("name", ["x-request-id", "x-amzn-trace-id"])
@pytest.mark.parametrize("value", ["\tb", "\x7f", "é", " "])
async def test_request_id_that_cannot_be_sent_back_harms_nothing(
    start_server: StartServer, name: str, value: str
) -> None:
    server = await start_server()
    headers = [*HEADERS, (name, value)]
    async with raw_client(server.port) as client:
        answered = await client.call("/routeguide.RouteGuide/GetFeature", [framed(b"")], headers=headers)
        probed = await client.call("/AWS.ALB/healthcheck", headers=headers)

    assert (answered.status, probed.status) == (0, grpc.StatusCode.UNIMPLEMENTED.value[0])
    assert answered.headers["x-request-id"].isascii()
