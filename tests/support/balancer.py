"""A balancer in miniature: it probes its targets as an Application Load Balancer does."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.conftest import CHANNEL_OPTIONS
from tests.support.wire import DEADLINE, Stub

HEALTHY = grpc.StatusCode.UNIMPLEMENTED


@dataclass
class Target:
    """A server behind the balancer."""

    channel: grpc.aio.Channel
    failures: int = 0
    probed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def stub(self) -> Stub:
        return RouteGuideStub(self.channel)


class Balancer:
    """Round robin over the targets that have not failed `threshold` probes in a row."""

    def __init__(self, targets: Sequence[Target], *, interval: float, threshold: int) -> None:
        self._targets = targets
        self._interval = interval
        self._threshold = threshold
        self._turns = itertools.count()

    def next_stub(self) -> Stub:
        healthy = [target for target in self._targets if target.failures < self._threshold]
        healthy = healthy or list(self._targets)  # as an ALB does where none is healthy
        return healthy[next(self._turns) % len(healthy)].stub

    async def probe(self) -> None:
        """Never returns."""
        while True:
            await asyncio.gather(*map(self._probe, self._targets))
            await asyncio.sleep(self._interval)

    async def _probe(self, target: Target) -> None:
        check: Any = target.channel.unary_unary("/AWS.ALB/healthcheck")
        try:
            await check(b"", timeout=DEADLINE)
        except grpc.aio.AioRpcError as error:
            target.failures = 0 if error.code() is HEALTHY else target.failures + 1


@asynccontextmanager
async def balanced(
    addresses: Sequence[str], *, interval: float, threshold: int
) -> AsyncGenerator[Balancer, None]:
    async with AsyncExitStack() as stack:
        targets = []
        for address in addresses:
            channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
            targets.append(Target(await stack.enter_async_context(channel)))
        balancer = Balancer(targets, interval=interval, threshold=threshold)
        probing = asyncio.create_task(balancer.probe())
        try:
            yield balancer
        finally:
            probing.cancel()
            await asyncio.wait([probing])
