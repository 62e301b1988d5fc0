"""What is counted and logged of a call agrees with what its client was told."""

import asyncio
from collections.abc import Iterator, MutableMapping
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from routeguide.storage.memory import MemoryFeatureRepository
from tests.conftest import OpenChannel, StartServer
from tests.support.raw_http2 import HEADERS, framed, raw_client
from tests.support.wire import DEADLINE, Stub, drained, failure, note, reason

Log = list[MutableMapping[str, Any]]


@pytest.fixture
def log() -> Iterator[Log]:
    with capture_logs() as entries:
        yield entries


async def logged_call(log: Log) -> MutableMapping[str, Any]:
    """The next line of the access log."""
    async with asyncio.timeout(DEADLINE):
        while not (calls := [entry for entry in log if entry["event"] == "call"]):  # noqa: ASYNC110  # a list
            await asyncio.sleep(0.01)
    return calls[0]


@pytest.fixture
def never_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(MemoryFeatureRepository, "find", never)


@pytest.mark.usefixtures("never_found")
@pytest.mark.parametrize(("method", "sent"), [("GetFeature", [framed(b"")]), ("RouteChat", [])])
async def test_deadline_that_passed(
    start_server: StartServer, log: Log, method: str, sent: list[bytes]
) -> None:
    server = await start_server(access_log="all")
    async with raw_client(server.port) as client:  # which leaves it to the server to notice
        headers = [*HEADERS, ("grpc-timeout", "200m")]
        client.begin(f"/routeguide.RouteGuide/{method}", sent, end=False, headers=headers)

        assert (await logged_call(log))["code"] == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize("path", ["/routeguide.RouteGuide/Fly", "/other.Service/Get", "/"])
async def test_unknown_method(
    start_server: StartServer, open_channel: OpenChannel, log: Log, path: str
) -> None:
    rpc: Any = open_channel(await start_server(access_log="all")).unary_unary(path)

    error = await failure(rpc(b"", timeout=DEADLINE, metadata=(("x-request-id", "mine"),)))

    assert (error.code(), reason(error)) == (grpc.StatusCode.UNIMPLEMENTED, "UNKNOWN_METHOD")
    entry = await logged_call(log)
    assert (entry["code"], entry["request_id"]) == ("UNIMPLEMENTED", "mine")
    assert entry["method"] == "_OTHER", "a name for each would let anybody fill the metrics"


async def test_refusal(start_server: StartServer, open_channel: OpenChannel, log: Log) -> None:
    stub: Stub = RouteGuideStub(open_channel(await start_server(access_log="all")))

    await failure(drained(stub.RouteChat(iter([note(2**31 - 1, 0, "x")]), timeout=DEADLINE)))

    entry = await logged_call(log)
    assert (entry["code"], entry["received"], entry["sent"]) == ("INVALID_ARGUMENT", 1, 0)
