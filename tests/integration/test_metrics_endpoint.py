"""What Prometheus finds, and what whoever else asks there gets."""

import asyncio
from contextlib import suppress
from itertools import pairwise

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from structlog.testing import capture_logs

from routeguide.errors import SettingsError
from routeguide.observability.endpoint import metrics_endpoint
from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from routeguide.server.app import RunningServer
from tests.conftest import OpenChannel, StartServer
from tests.support.scrape import fetch, scrape, value
from tests.support.wire import DEADLINE, Stub, drained, failure, next_note, note, point, rectangle

NAME = "routeguide.RouteGuide/"
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def measured(start_server: StartServer, storage_url: str) -> RunningServer:
    return await start_server(storage_url=storage_url, metrics_listen="127.0.0.1:0")


@pytest.fixture
async def stub(measured: RunningServer, open_channel: OpenChannel) -> Stub:
    return RouteGuideStub(open_channel(measured))


async def test_calls_messages_and_store(measured: RunningServer, stub: Stub) -> None:
    for _ in range(3):
        await stub.GetFeature(point(1, 1), timeout=DEADLINE)
    await failure(stub.GetFeature(point(2_000_000_000, 0), timeout=DEADLINE))
    everything = rectangle(-900_000_000, -1_800_000_000, 900_000_000, 1_800_000_000)
    listed = await drained(stub.ListFeatures(everything, timeout=DEADLINE))
    await stub.RecordRoute(iter([point(1, 1)] * 5), timeout=DEADLINE)
    await drained(stub.RouteChat(iter([note(1, 1, "a"), note(1, 1, "b")]), timeout=DEADLINE))

    samples = await scrape(measured)

    calls = samples["rpc_server_call_duration_seconds_count"]
    assert value(calls, rpc_method=f"{NAME}GetFeature", rpc_response_status_code="OK") == 3
    assert value(calls, rpc_method=f"{NAME}GetFeature", rpc_response_status_code="INVALID_ARGUMENT") == 1
    assert value(calls, rpc_method=f"{NAME}RouteChat", rpc_response_status_code="OK") == 1
    received = samples["routeguide_call_messages_received_sum"]
    sent = samples["routeguide_call_messages_sent_sum"]
    assert value(received, rpc_method=f"{NAME}RecordRoute") == 5
    assert value(sent, rpc_method=f"{NAME}RecordRoute") == 1
    assert value(sent, rpc_method=f"{NAME}ListFeatures") == len(listed) == 100
    assert value(sent, rpc_method=f"{NAME}GetFeature") == 3
    assert value(received, rpc_method=f"{NAME}RouteChat") == 2
    assert value(sent, rpc_method=f"{NAME}RouteChat") == 1
    stored = samples["routeguide_storage_operation_duration_seconds_count"]
    assert value(stored, routeguide_storage_operation="notes.post") == 2
    assert value(stored, routeguide_storage_operation="features.find") == 3
    assert value(samples["routeguide_notes"]) == 2
    assert value(samples["routeguide_ready"]) == 1


async def test_streams_in_flight(measured: RunningServer, stub: Stub) -> None:
    chat = stub.RouteChat(timeout=DEADLINE)
    await chat.write(note(1, 1, "a"))
    await chat.write(note(1, 1, "b"))
    await next_note(chat)

    during = value((await scrape(measured))["routeguide_calls_active"], rpc_method=f"{NAME}RouteChat")
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF
    after = value((await scrape(measured))["routeguide_calls_active"], rpc_method=f"{NAME}RouteChat")

    assert (during, after) == (1, 0)


async def test_shed_calls(start_server: StartServer, open_channel: OpenChannel) -> None:
    server = await start_server(metrics_listen="127.0.0.1:0", max_concurrent_calls=1)
    stub: Stub = RouteGuideStub(open_channel(server))
    chat = stub.RouteChat(timeout=DEADLINE)
    await chat.write(note(1, 1, "a"))
    await chat.write(note(1, 1, "b"))
    await next_note(chat)

    refused = await failure(stub.GetFeature(point(1, 1), timeout=DEADLINE))

    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    shed = (await scrape(server))["routeguide_calls_shed_total"]
    assert value(shed, routeguide_reason="concurrency") == 1
    chat.cancel()


async def test_health_checks_are_no_calls(measured: RunningServer, open_channel: OpenChannel) -> None:
    health = HealthStub(open_channel(measured))
    await health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE)

    assert not (await scrape(measured)).get("rpc_server_call_duration_seconds_count")


async def test_formats(measured: RunningServer) -> None:
    plain, plain_type = await fetch(measured)
    modern, modern_type = await fetch(measured, accept="application/openmetrics-text; version=1.0.0")

    assert plain_type.startswith("text/plain; version=0.0.4")
    assert modern_type.startswith("application/openmetrics-text; version=1.0.0")
    assert modern.endswith("# EOF\n")
    assert "process_resident_memory_bytes" in plain


@pytest.fixture
async def endpoint(start_server: StartServer) -> int:
    port = (await start_server(metrics_listen="127.0.0.1:0")).metrics_port
    assert port is not None
    return port


async def answer(port: int, request: bytes) -> bytes:
    """What comes back until the endpoint closes the connection; nothing where it does so unread."""
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()
            with suppress(ConnectionResetError):
                await writer.wait_closed()


async def conversations(count: int) -> None:
    """Returns once endpoints in this loop serve `count` connections."""
    async with asyncio.timeout(DEADLINE):
        while count != sum("metrics_endpoint" in repr(task.get_coro()) for task in asyncio.all_tasks()):  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("request_line", "status"),
    [("GET /", b"404"), ("POST /metrics", b"405"), ("HEAD /", b"404"), ("GET /metrics?name=x", b"200")],
)
async def test_other_requests(endpoint: int, request_line: str, status: bytes) -> None:
    response = await answer(endpoint, f"{request_line} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    assert response.split()[1] == status


async def test_head_has_no_body(endpoint: int, caplog: pytest.LogCaptureFixture) -> None:
    response = await answer(endpoint, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")

    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"content-type: text/plain" in head.lower()
    assert not body
    assert not caplog.records


async def test_unforeseen_failure_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_: str) -> tuple[bytes, str]:
        raise ValueError("nobody thought of it")

    async with metrics_endpoint("127.0.0.1", 0, fail) as port:
        with capture_logs() as entries:
            assert await answer(port, REQUEST) == b""

    assert [entry["event"] for entry in entries] == ["metrics not served"]
    assert not caplog.records


async def test_reader_that_stops_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routeguide.observability.endpoint._DEADLINE", 0.5)

    async def much(_: str) -> tuple[bytes, str]:
        return bytes(50_000_000), "text/plain"

    async with metrics_endpoint("127.0.0.1", 0, much) as port, asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(REQUEST)
        await reader.read(1)
        await conversations(0)
        received = 0
        with suppress(ConnectionResetError):
            while some := await reader.read(65_536):
                received += len(some)
        writer.transport.abort()

    assert received < 50_000_000


async def test_pages_are_made_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    made: list[float] = []

    async def page(_: str) -> tuple[bytes, str]:
        made.append(loop.time())
        return b"", "text/plain"

    async with metrics_endpoint("127.0.0.1", 0, page) as port:
        await asyncio.gather(*(answer(port, REQUEST) for _ in range(4)))

    assert len(made) == 4
    assert min(later - earlier for earlier, later in pairwise(made)) > 0.19


@pytest.mark.parametrize(
    "request_", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0" * 100, b"GET /" + b"x" * 50_000]
)
async def test_what_is_no_http_is_cut_off(endpoint: int, request_: bytes) -> None:
    assert b" 200 " not in await answer(endpoint, request_)


async def test_slow_and_many_clients_are_bounded(endpoint: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routeguide.observability.endpoint._DEADLINE", 3.0)  # in which all are there at once
    waiting = [asyncio.create_task(answer(endpoint, b"GET /metrics HT")) for _ in range(16)]
    await conversations(len(waiting))

    assert b"200" in await answer(endpoint, REQUEST)
    assert await asyncio.gather(*waiting) == [b""] * 16
    assert b"200" in await answer(endpoint, REQUEST)


async def test_those_who_have_asked_keep_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routeguide.observability.endpoint._paced", lambda render: render)
    asked, may_answer = asyncio.Semaphore(0), asyncio.Event()

    async def page(_: str) -> tuple[bytes, str]:
        asked.release()
        await may_answer.wait()
        return b"", "text/plain"

    async with metrics_endpoint("127.0.0.1", 0, page) as port, asyncio.timeout(DEADLINE):
        waiting = [asyncio.create_task(answer(port, REQUEST)) for _ in range(16)]
        for _ in waiting:
            await asked.acquire()
        refused = await answer(port, REQUEST)
        may_answer.set()
        answers = await asyncio.gather(*waiting)

    assert refused == b""
    assert all(b" 200 " in each for each in answers)


async def test_open_connections_end_with_the_server(caplog: pytest.LogCaptureFixture) -> None:
    async def nothing(_: str) -> tuple[bytes, str]:
        return b"", "text/plain"

    async with metrics_endpoint("127.0.0.1", 0, nothing) as port:
        idle = asyncio.create_task(answer(port, b"GET"))
        await conversations(1)

    assert await idle == b""
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not caplog.records


async def test_taken_port_is_told(endpoint: int, start_server: StartServer) -> None:
    with pytest.raises(SettingsError, match=f"ROUTEGUIDE_METRICS_LISTEN.*{endpoint}"):
        await start_server(metrics_listen=f"127.0.0.1:{endpoint}")


async def test_nothing_listens_by_default(start_server: StartServer) -> None:
    assert (await start_server()).metrics_port is None
