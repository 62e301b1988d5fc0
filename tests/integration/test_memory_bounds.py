"""Memory stays bounded however slow the peers: here they read nothing at all."""

import asyncio
import csv
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.conftest import CHANNEL_OPTIONS
from tests.support.raw_http2 import framed, raw_client
from tests.support.server_process import ServerProcess, server_process
from tests.support.wire import DEADLINE, Stub, note, point, rectangle

FEATURES = 20_000
NAME = "x" * 1000
PEERS = 30
MEBIBYTE = 2**20


async def answers_others(server: ServerProcess) -> None:
    async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
        stub: Stub = RouteGuideStub(channel)
        for index in range(50):
            await stub.GetFeature(point(index, index), timeout=DEADLINE)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
async def test_listings_that_nobody_reads(tmp_path: Path) -> None:
    """30 peers ask for 20 MB each and read nothing: buffered, it would be 600 MB."""
    file = tmp_path / "features.csv"
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["latitude_e7", "longitude_e7", "name"])
        rows.writerows([index, index, NAME] for index in range(FEATURES))
    everything = framed(rectangle(0, 0, 900_000_000, 900_000_000).SerializeToString())
    async with (
        server_process(storage_url=f"sqlite:///{tmp_path}/r.db", seed_features=str(file)) as server,
        AsyncExitStack() as peers,
    ):
        await answers_others(server)
        before = server.resident
        for _ in range(PEERS):
            peer = await peers.enter_async_context(raw_client(server.port))
            peer.begin("/routeguide.RouteGuide/ListFeatures", [everything])
        await asyncio.sleep(1)  # time in which a server without backpressure would fill its buffers
        await answers_others(server)
        assert server.resident - before < 100 * MEBIBYTE


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
async def test_chats_whose_replies_nobody_reads() -> None:
    """Each note is answered with 100 others of 1 kB: 30 peers with 31 notes each would be owed 90 MB."""
    notes = b"".join(framed(note(1, 1, NAME).SerializeToString()) for _ in range(60))
    async with server_process(storage_url="memory://") as server, AsyncExitStack() as peers:
        await answers_others(server)
        before = server.resident
        for _ in range(PEERS):
            peer = await peers.enter_async_context(raw_client(server.port))
            peer.begin("/routeguide.RouteGuide/RouteChat", [notes[:16_384], notes[16_384:32_768]], end=False)
        await asyncio.sleep(1)  # time in which a server without backpressure would fill its buffers
        await answers_others(server)
        assert server.resident - before < 60 * MEBIBYTE
