"""How long a connection may stay."""

import asyncio

import pytest

from routeguide.server.channel import channel_options
from routeguide.settings import Settings
from tests.conftest import StartServer
from tests.support.raw_http2 import framed, raw_client
from tests.support.wire import rectangle

EVERYTHING = framed(rectangle(-900_000_000, -1_800_000_000, 900_000_000, 1_800_000_000).SerializeToString())


@pytest.mark.parametrize("path", ["/routeguide.RouteGuide/ListFeatures", "/grpc.health.v1.Health/Watch"])
async def test_peer_that_accepts_nothing_is_hung_up_on_in_the_end(
    start_server: StartServer, path: str
) -> None:
    """Budgets end its calls, but their last words wait for room, and only the connection's end frees them."""
    server = await start_server(connection_max_age=0.3, connection_max_age_grace=0.3)
    async with raw_client(server.port) as peer:
        peer.accept_nothing()
        peer.begin(path, [EVERYTHING if path.endswith("ListFeatures") else framed(b"")])
        await peer.hung_up_on()


async def test_peer_that_answers_no_ping_is_hung_up_on(start_server: StartServer) -> None:
    """For its own timeout grpc's core would wait a minute."""
    server = await start_server(keepalive_interval=1, keepalive_timeout=1)
    async with raw_client(server.port) as peer, asyncio.timeout(20):
        peer.begin("/grpc.health.v1.Health/Watch", [framed(b"")])
        await peer.hung_up_on()


def test_connections_stay_by_default() -> None:
    assert not [name for name, _ in channel_options(Settings()) if "max_connection_age" in name]
