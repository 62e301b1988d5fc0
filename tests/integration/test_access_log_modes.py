"""What a server that runs as it is deployed writes down about calls, and what it never does."""

import json

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.conftest import CHANNEL_OPTIONS
from tests.support.server_process import server_process
from tests.support.wire import DEADLINE, Stub, drained, failure, note, point

SECRET = "swordfish"  # noqa: S105  # it is none
HEADERS = (("x-request-id", "mine"), ("authorization", f"Bearer {SECRET}"), ("cookie", SECRET))


async def calls(channel: grpc.aio.Channel) -> None:
    """One of each kind: well, badly, with a payload that nobody may read, given up, and a health check."""
    stub: Stub = RouteGuideStub(channel)
    await stub.GetFeature(point(409146138, -746188906), timeout=DEADLINE, metadata=HEADERS)
    await failure(stub.GetFeature(point(912345678, 0), timeout=DEADLINE, metadata=HEADERS))
    notes = iter([note(1, 1, SECRET), note(1, 1, SECRET)])
    await drained(stub.RouteChat(notes, timeout=DEADLINE, metadata=HEADERS))
    await HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE)


@pytest.mark.parametrize(
    ("mode", "codes"),
    [("all", ["OK", "INVALID_ARGUMENT", "OK"]), ("errors", ["INVALID_ARGUMENT"]), ("off", [])],
)
async def test_modes(mode: str, codes: list[str]) -> None:
    async with server_process(storage_url="memory://", access_log=mode, log_level="debug") as server:
        async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
            await calls(channel)
        assert await server.stop() == 0

    entries = [entry for entry in server.log if entry["event"] == "call"]
    assert [entry["code"] for entry in entries] == codes
    for entry in entries:
        assert entry.keys() == {
            *("event", "level", "timestamp"),
            *("method", "code", "seconds", "request_id", "received", "sent", "peer"),
        }
        assert entry["request_id"] == "mine"
        assert 0 < entry["seconds"] < DEADLINE
    text = json.dumps(server.log)
    for secret in (SECRET, '912345678"', "Berkshire", "409146138"):
        assert secret not in text
