"""A store that is lost and found again: who says so, what calls are told, and that it mends by itself."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.conftest import CHANNEL_OPTIONS
from tests.support.locks import locked
from tests.support.server_process import ServerProcess, server_process
from tests.support.wire import DEADLINE, Stub, drained, failure, note, point, reason

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

QUICK = {"storage_timeout": "2", "storage_probe_interval": "0.1"}
"""Quick to notice a loss, and no slow disk of a busy machine is taken for one."""


@contextmanager
def moved_away(database: Path) -> Iterator[None]:
    files = [file for file in database.parent.iterdir() if file.name.startswith(database.name)]
    elsewhere = database.parent / "elsewhere"
    elsewhere.mkdir()
    for file in files:
        file.rename(elsewhere / file.name)
    yield
    for file in files:
        (elsewhere / file.name).rename(file)


LOSSES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "locked": (locked, "OperationalError('database is locked')"),
    "moved away": (moved_away, "FileNotFoundError"),
}
"""What happens, and what the log says that it was."""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "routeguide.db"


@pytest.fixture(params=[True, False], ids=["needed", "not needed"])
async def server(request: pytest.FixtureRequest, database: Path) -> AsyncGenerator[ServerProcess, None]:
    needed = str(request.param).lower()
    async with server_process(
        storage_url=f"sqlite:///{database}", ready_needs_storage=needed, **QUICK
    ) as running:
        yield running


@pytest.mark.parametrize("loss", LOSSES)
async def test_lost_and_found_again(
    server: ServerProcess, database: Path, loss: str, request: pytest.FixtureRequest
) -> None:
    needed = "not needed" not in request.node.name
    async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
        stub: Stub = RouteGuideStub(channel)
        health = health_pb2_grpc.HealthStub(channel)
        assert await chatted(stub, "kept") == []
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=DEADLINE)
        assert (await watch.read()).status == SERVING
        lose, cause = LOSSES[loss]
        with lose(database):
            lost = await server.logged("storage lost")
            assert lost["ready"] is not needed
            assert cause in lost["cause"]
            error = await failure(chatted(stub, "refused"))
            assert (error.code(), reason(error)) == (grpc.StatusCode.UNAVAILABLE, "STORAGE_UNAVAILABLE")
            assert (await health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE)).status == (
                NOT_SERVING if needed else SERVING
            )
        await server.logged("storage found again")
        if needed:
            assert [(await watch.read()).status for _ in range(2)] == [NOT_SERVING, SERVING]
        # What became of a note that was refused is not promised; what was answered is.
        assert [message for message in await chatted(stub, "new") if message != "refused"] == ["kept"]
        assert (await stub.GetFeature(point(409146138, -746188906), timeout=DEADLINE)).name
    assert await server.stop() == 0
    told = [entry["event"] for entry in server.log if entry["event"].startswith("storage ")]
    assert told == ["storage open", "storage lost", "storage found again", "storage closed"]


async def chatted(stub: Stub, message: str) -> list[str]:
    replies = await drained(stub.RouteChat(iter([note(1, 1, message)]), timeout=DEADLINE))
    return [reply.message for reply in replies]


async def test_balancer_with_matcher_0_sees_a_failure(database: Path) -> None:
    settings = {"storage_url": f"sqlite:///{database}", "health_check_fails": "true", **QUICK}
    async with (
        server_process(**settings) as server,
        grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE)).status == SERVING
        with locked(database):
            await server.logged("storage lost")
            error = await failure(health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
        await server.logged("storage found again")
