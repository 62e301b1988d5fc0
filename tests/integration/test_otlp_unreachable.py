"""Collectors that cannot be reached, or never end their answer: nobody may wait for them for long."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager

import grpc
import pytest
from structlog.testing import capture_logs

from routeguide.observability.collector import Reachability
from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from routeguide.server.app import serving
from routeguide.settings import Settings
from tests.conftest import CHANNEL_OPTIONS, OpenChannel
from tests.support.collector import collecting
from tests.support.server_process import server_process
from tests.support.wire import DEADLINE, Stub, point

LONGEST_END = 10.0
"""Seconds that a server without a grace may take to end: 2.5 of them for its collector."""


@contextmanager
def taken_port() -> Iterator[socket.socket]:
    """A socket on a port that nobody else can take meanwhile; it refuses connections until it listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken


@pytest.mark.parametrize("answers_connections", [False, True], ids=["refuses", "is silent"])
async def test_collector_that_is_gone_delays_nobody_long(
    open_channel: OpenChannel, answers_connections: bool
) -> None:
    loop = asyncio.get_running_loop()
    with taken_port() as nobody:
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        if answers_connections:
            nobody.listen()
        settings = Settings(
            listen="localhost:0",
            storage_url="memory://",
            stop_grace=0,
            otlp_endpoint=endpoint,
            otlp_interval=0.1,
            traces=True,
        )
        async with serving(settings) as server:
            stub: Stub = RouteGuideStub(open_channel(server))
            await stub.GetFeature(point(1, 1), timeout=DEADLINE)
            ending = loop.time()
        assert loop.time() - ending < LONGEST_END


async def drip(writer: asyncio.StreamWriter) -> None:
    """An answer that never ends, a byte at a time: no timeout between two reads helps against it."""
    try:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)
    except OSError:
        pass  # it is no longer listened to
    finally:
        writer.transport.abort()


@asynccontextmanager
async def dripping_collector() -> AsyncGenerator[str, None]:
    """Its endpoint."""
    answers: list[asyncio.Task[None]] = []

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers.append(asyncio.create_task(drip(writer)))

    collector = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{collector.sockets[0].getsockname()[1]}"
    finally:
        collector.close()
        await asyncio.sleep(0)  # an answer that is cancelled before it has begun closes nothing
        for answer in answers:
            answer.cancel()
        await asyncio.gather(*answers, return_exceptions=True)


@pytest.mark.parametrize("traces", [False, True])
async def test_collector_that_drips_delays_nobody_long(traces: bool) -> None:
    """In a process of its own, which must exit as well."""
    async with dripping_collector() as endpoint:
        await end_a_server_that_reports_to(endpoint, traces=traces)


async def end_a_server_that_reports_to(endpoint: str, *, traces: bool) -> None:
    loop = asyncio.get_running_loop()
    async with server_process(
        storage_url="memory://",
        stop_grace="0",
        otlp_endpoint=endpoint,
        otlp_interval="0.1",
        traces=str(traces).lower(),
    ) as server:
        async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
            stub: Stub = RouteGuideStub(channel)
            await stub.GetFeature(point(1, 1), timeout=DEADLINE)
        ending = loop.time()
        assert await server.stop() == 0
        assert loop.time() - ending < LONGEST_END


async def test_lost_collector_is_told_once_and_without_its_url() -> None:
    with taken_port() as nobody:
        async with server_process(
            storage_url="memory://",
            stop_grace="0",
            log_level="debug",
            otlp_endpoint=f"http://127.0.0.1:{nobody.getsockname()[1]}/secret",
            otlp_interval="0.1",
        ) as server:
            lost = await server.logged("collector lost")
            assert await server.stop() == 0

    assert (lost["signal"], lost["reason"]) == ("metrics", "ConnectionRefusedError")
    assert [entry["event"] for entry in server.log].count("collector lost") == 1
    assert "/secret" not in json.dumps(server.log)


async def test_collector_that_refuses_is_told_with_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")  # milliseconds between two batches of spans
    async with (
        collecting(status=401) as collector,
        server_process(
            storage_url="memory://",
            stop_grace="0",
            log_level="debug",
            otlp_endpoint=collector.endpoint.replace("//", "//user:sesame@"),
            otlp_interval="0.1",
            traces="true",
        ) as server,
    ):
        async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
            stub: Stub = RouteGuideStub(channel)
            await stub.GetFeature(point(1, 1), timeout=DEADLINE)
        lost = [await server.logged("collector lost") for _ in ("metrics", "traces")]
        assert await server.stop() == 0

    assert {each["signal"]: each["reason"] for each in lost} == {"metrics": "HTTP 401", "traces": "HTTP 401"}
    assert "sesame" not in json.dumps(server.log)


def test_collector_is_found_again() -> None:
    reachability = Reachability("metrics")
    with capture_logs() as entries:
        for reached in (True, False, False, True, True):
            reachability.note(reached)

    assert [entry["event"] for entry in entries] == ["collector lost", "collector found again"]
