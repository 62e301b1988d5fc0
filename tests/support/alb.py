"""The local balancer in front of targets that a test chooses, and a client of it."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from alb.balancer import Balancer, balancer
from alb.envoy import Target
from alb.parameters import HealthCheck, Parameters
from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.support.certificates import Certificates
from tests.support.server_process import ServerProcess, server_process
from tests.support.wire import Stub

PATIENCE = 20.0
"""Seconds that the balancer may take to notice, on a busy machine."""

QUICK = HealthCheck(interval=0.2, timeout=1.0)
"""Of a target that leaves nothing is to be seen after 0.4 seconds."""

_ONE_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


class Alb:
    """A balancer that listens, and the certificate to trust."""

    def __init__(self, running: Balancer, port: int, ca_file: Path) -> None:
        self.running = running
        self.port = port
        self.ca_file = ca_file

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    async def serve(self, *targets: Target) -> None:
        """Makes these the targets; returns when all of them get calls."""
        self.running.register(targets)
        await self.becomes(dict.fromkeys(targets, True))

    async def becomes(self, health: dict[Target, bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.running.becomes(health)

    async def counter(self, name: str) -> int:
        """One of Envoy's statistics."""
        answer = await self.running.ask(f"/stats?format=json&filter=^{name}$")
        (found,) = answer["stats"]
        return int(found["value"])

    @asynccontextmanager
    async def channel(self) -> AsyncGenerator[grpc.aio.Channel, None]:
        """One connection at a time, as any client has it that knows the authority.

        Of its own accord grpc repeats only calls that have not left the client, as a GOAWAY makes it do.
        """
        credentials = grpc.ssl_channel_credentials(self.ca_file.read_bytes())
        async with grpc.aio.secure_channel(self.address, credentials, _ONE_CONNECTION) as channel:
            yield channel

    @asynccontextmanager
    async def stub(self) -> AsyncGenerator[Stub, None]:
        async with self.channel() as channel:
            yield RouteGuideStub(channel)


@asynccontextmanager
async def alb(folder: Path, *targets: Target, **parameters: Any) -> AsyncGenerator[Alb, None]:
    """A balancer on a free port, quick to notice, with `targets` that get calls already."""
    certificates = Certificates(folder)
    chosen: dict[str, Any] = {"listen": ("127.0.0.1", 0), "health": QUICK} | parameters
    pair = certificates.server
    async with balancer(folder, Parameters(str(pair.certificate), str(pair.key), **chosen)) as running:
        found = Alb(running, await running.port(), certificates.ca_file)
        await found.serve(*targets)
        yield found


@asynccontextmanager
async def task(**variables: str) -> AsyncGenerator[ServerProcess, None]:
    """A server as the balancer's target, which keeps nothing."""
    settings = {"storage_url": "memory://", **variables}
    async with server_process("--listen=127.0.0.1:0", **settings) as server:
        yield server


def target(server: ServerProcess) -> Target:
    return "127.0.0.1", server.port


def calls(server: ServerProcess) -> Counter[str]:
    """How calls ended by the server's own access log, once it has ended: the method's name and the status."""
    ended: Counter[str] = Counter()
    for entry in server.log:
        if entry["event"] == "call":
            ended[f"{entry['method'].rpartition('/')[2]}: {entry['code']}"] += 1
    return ended
