"""Fixtures for every test: a clean environment, and real servers on port 0."""

import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from routeguide.pb import route_guide_pb2_grpc as pb_grpc
from routeguide.server.app import RunningServer, serving
from routeguide.settings import PREFIX, Settings
from tests.support.postgres import postgres_cluster, postgres_url  # noqa: F401  # fixtures: their names are all that is used
from tests.support.wire import Stub

StartServer = Callable[..., Awaitable[RunningServer]]
OpenChannel = Callable[[RunningServer], grpc.aio.Channel]

# Every channel of a test has connections of its own, and no test waits long for one that was refused.
CHANNEL_OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]


def pytest_configure() -> None:
    """Lets tests interrupt commands. Run in the background, this process ignores SIGINT, and so do they."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.setattr("routeguide.settings.loading.DOTENV", Path("/nonexistent/.env"))


@pytest.fixture(params=["memory", "sqlite"])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every backend that runs anywhere."""
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/routeguide.db"


@pytest.fixture
async def start_server() -> AsyncGenerator[StartServer, None]:
    """Starts servers in this process; at the end they drain without waiting for anyone."""
    async with AsyncExitStack() as stack:

        async def start(**overrides: Any) -> RunningServer:
            defaults: dict[str, Any] = {
                "listen": "localhost:0",
                "storage_url": "memory://",
                "stop_grace": 0,
            }
            return await stack.enter_async_context(serving(Settings(**(defaults | overrides))))

        yield start


@pytest.fixture
async def open_channel() -> AsyncGenerator[OpenChannel, None]:
    async with AsyncExitStack() as stack:

        def connect(server: RunningServer) -> grpc.aio.Channel:
            channel = grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS)
            stack.push_async_callback(channel.close)
            return channel

        yield connect


@pytest.fixture
async def server(start_server: StartServer, storage_url: str) -> RunningServer:
    """A server with the sample features, once for each backend."""
    return await start_server(storage_url=storage_url)


@pytest.fixture
async def channel(server: RunningServer, open_channel: OpenChannel) -> grpc.aio.Channel:
    return open_channel(server)


@pytest.fixture
async def stub(channel: grpc.aio.Channel) -> Stub:
    return pb_grpc.RouteGuideStub(channel)
