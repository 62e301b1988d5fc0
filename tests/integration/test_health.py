"""grpc.health.v1 over the wire."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from routeguide.server.app import SERVICE, serving
from routeguide.settings import Settings
from tests.conftest import CHANNEL_OPTIONS, OpenChannel, StartServer
from tests.support.wire import DEADLINE, failure, reason, retry_delay

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@pytest.fixture
async def health(start_server: StartServer, open_channel: OpenChannel) -> health_pb2_grpc.HealthStub:
    return health_pb2_grpc.HealthStub(open_channel(await start_server()))


def about(service: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


@pytest.mark.parametrize("service", ["", SERVICE])
async def test_check(health: health_pb2_grpc.HealthStub, service: str) -> None:
    assert (await health.Check(about(service), timeout=DEADLINE)).status == SERVING


async def test_check_of_an_unknown_service(health: health_pb2_grpc.HealthStub) -> None:
    error = await failure(health.Check(about("other.Service"), timeout=DEADLINE))

    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert reason(error) == "UNKNOWN_ENTITY"


async def test_one_watcher_too_many_is_turned_away(
    health: health_pb2_grpc.HealthStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routeguide.server.health.MAX_WATCHERS", 2)
    watchers = [health.Watch(about(""), timeout=DEADLINE) for _ in range(2)]
    for watcher in watchers:
        assert (await watcher.read()).status == SERVING

    error = await failure(health.Watch(about(""), timeout=DEADLINE).read())
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert retry_delay(error) == 10
    assert (await health.Check(about(""), timeout=DEADLINE)).status == SERVING

    watchers[0].cancel()
    async with asyncio.timeout(DEADLINE):
        while not await is_watched(health):  # the server hears of the one who left when it does
            pass


async def is_watched(health: health_pb2_grpc.HealthStub) -> bool:
    """Whether one more watcher is let in, who leaves at once."""
    call = health.Watch(about(""), timeout=DEADLINE)
    try:
        return bool((await call.read()).status == SERVING)
    except grpc.aio.AioRpcError:
        return False
    finally:
        call.cancel()


async def test_list(health: health_pb2_grpc.HealthStub) -> None:
    answer = await health.List(health_pb2.HealthListRequest(), timeout=DEADLINE)

    assert {service: status.status for service, status in answer.statuses.items()} == {
        "": SERVING,
        SERVICE: SERVING,
    }


async def test_watch_of_an_unknown_service_stays_open(health: health_pb2_grpc.HealthStub) -> None:
    call = health.Watch(about("other.Service"), timeout=DEADLINE)

    assert (await call.read()).status == SERVICE_UNKNOWN
    assert not call.done()
    call.cancel()


async def test_watch_sees_the_drain_and_does_not_hold_it_up() -> None:
    settings = Settings(listen="localhost:0", storage_url="memory://", stop_grace=60)
    async with asyncio.timeout(DEADLINE):
        async with serving(settings) as server:
            channel = grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS)
            call = health_pb2_grpc.HealthStub(channel).Watch(about(SERVICE), timeout=DEADLINE)
            assert (await call.read()).status == SERVING

        assert (await call.read()).status == NOT_SERVING
        error = await failure(call.read())
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "reconnect" in (error.details() or "")
        await channel.close()


async def test_still_serves_while_it_drains() -> None:
    """Within the drain delay the server says that it is not ready, and answers all the same."""
    settings = Settings(listen="localhost:0", storage_url="memory://", drain_delay=2)
    async with asyncio.timeout(DEADLINE):
        leaving = asyncio.Event()

        async def run() -> None:
            async with serving(settings) as server:
                address.set_result(server.address)
                await leaving.wait()

        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(run())
        async with grpc.aio.insecure_channel(await address, options=CHANNEL_OPTIONS) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            watch = health.Watch(about(""), timeout=DEADLINE)
            assert (await watch.read()).status == SERVING
            leaving.set()
            assert (await watch.read()).status == NOT_SERVING
            assert (await health.Check(about(""), timeout=DEADLINE)).status == NOT_SERVING
            await running
            error = await failure(health.Check(about(""), timeout=DEADLINE))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
