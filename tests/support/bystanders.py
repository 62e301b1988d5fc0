"""Those who do nothing wrong while somebody else does. They must not notice."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.conftest import CHANNEL_OPTIONS
from tests.support.mixed_load import MIX
from tests.support.server_process import ServerProcess
from tests.support.wire import DEADLINE

PROMPT = 1.0
"""Seconds within which health must answer, connecting included."""

_HELD_UP = 3
"""How many of the answers may come later, but must come: a busy machine, which the attackers share with the
server, holds any process up for a second now and then."""

_PROBE_PAUSE = 0.2
_CALL_PAUSE = 0.01
_WARM_UP = {"call: ok": 100, "probe: ok": 5}
"""After how many of each a server has allocated what it goes on using."""

_SETTLED = 30.0
"""Seconds that it may take to give back what an attack took: grpc lets go of closed connections late."""

_MORE = 1.2
"""How much more memory than before may stay."""


@asynccontextmanager
async def unharmed(server: ServerProcess) -> AsyncGenerator[Counter[str], None]:
    """Whatever happens in the block, health answers in time, no call of others fails, memory returns.

    Yields how often calls and probes ended in which way: "call: ok", "probe: ok", or what went wrong.
    """
    ended: Counter[str] = Counter()
    waits: list[float] = []
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_probe(server.address, ended, waits)),
            group.create_task(_call(server.address, ended)),
        ]
        await _warmed_up(ended)
        before = server.resident
        yield ended
        after = await _settled(server, before * _MORE)
        for task in tasks:
            task.cancel()
    assert set(ended) == {"call: ok", "probe: ok"}, (ended, server.log)
    assert sum(wait > PROMPT for wait in waits) <= _HELD_UP, sorted(waits)
    assert after <= before * _MORE, f"{before:,} bytes before, {after:,} after"


async def _probe(address: str, ended: Counter[str], waits: list[float]) -> None:
    """Asks on a new connection each time, as a balancer does; adds the seconds that each answer took."""
    now = asyncio.get_running_loop().time
    while True:
        began = now()
        async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            try:
                answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE)
            except grpc.aio.AioRpcError as error:
                ended[f"probe: {error.code().name}: {error.details()}"] += 1
            else:
                ended["probe: ok" if answer.status == answer.SERVING else "probe: not serving"] += 1
                waits.append(now() - began)
        await asyncio.sleep(_PROBE_PAUSE)


async def _call(address: str, ended: Counter[str]) -> None:
    """All four RPCs, one after the other on one connection."""
    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        for rpc in itertools.cycle(MIX):
            try:
                await rpc(RouteGuideStub(channel))
            except grpc.aio.AioRpcError as error:
                ended[f"call: {rpc.__name__}: {error.code().name}: {error.details()}"] += 1
            else:
                ended["call: ok"] += 1
            await asyncio.sleep(_CALL_PAUSE)


async def _warmed_up(ended: Counter[str]) -> None:
    enough = Counter(_WARM_UP)
    with suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE):
            while not ended >= enough:  # noqa: ASYNC110  # it counts, and does not tell
                await asyncio.sleep(_CALL_PAUSE)
    assert ended >= enough, ended


async def _settled(server: ServerProcess, bound: float) -> int:
    """The server's memory once it is below `bound`, or after a while in which it did not get there."""
    for _ in range(int(_SETTLED / _PROBE_PAUSE)):
        if server.resident <= bound:
            break
        await asyncio.sleep(_PROBE_PAUSE)
    return server.resident
