"""All four RPCs at a steady rate, each call checked for its whole answer."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import grpc

from tests.support.wire import DEADLINE, Stub, drained, note, point, rectangle

NEW_JERSEY = rectangle(400000000, -750000000, 420000000, -730000000)


async def get_feature(stub: Stub) -> None:
    assert (await stub.GetFeature(point(409146138, -746188906), timeout=DEADLINE)).name


async def list_features(stub: Stub) -> None:
    assert len(await drained(stub.ListFeatures(NEW_JERSEY, timeout=DEADLINE))) == 100


async def record_route(stub: Stub) -> None:
    summary = await stub.RecordRoute((point(i, i) for i in range(10)), timeout=DEADLINE)
    assert summary.point_count == 10


async def route_chat(stub: Stub) -> None:
    place = random.randrange(900_000_000)  # noqa: S311  # a place of its own, not a secret
    replies = await drained(
        stub.RouteChat(iter([note(place, 0, str(i)) for i in range(3)]), timeout=DEADLINE)
    )
    assert [reply.message for reply in replies] == ["0", "0", "1"]


Rpc = Callable[[Stub], Awaitable[None]]

MIX: Sequence[Rpc] = [*[get_feature] * 7, list_features, record_route, route_chat]

AT_ONCE = 64
"""Calls that may be under way; on a machine too busy for the rate, more of them would queue and expire."""


class MixedLoad:
    """Starts `rate` calls a second until it is stopped, or as many as the machine can do."""

    def __init__(self, next_stub: Callable[[], Stub], *, rate: float, seed: int) -> None:
        self.ended: Counter[str] = Counter()
        """How calls ended: ok, or the RPC and its status."""
        self._next_stub = next_stub
        self._interval = 1 / rate
        self._random = random.Random(seed)  # noqa: S311  # repeatable, not secret
        self._calls: set[asyncio.Task[None]] = set()
        self.started = 0

    async def run(self) -> None:
        """Never returns."""
        due = asyncio.get_running_loop().time()
        while True:
            if len(self._calls) >= AT_ONCE:
                await asyncio.wait(self._calls, return_when=asyncio.FIRST_COMPLETED)
            rpc = self._random.choice(MIX)
            task = asyncio.create_task(self._call(rpc))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
            self.started += 1
            due += self._interval
            await asyncio.sleep(max(0, due - asyncio.get_running_loop().time()))

    async def finish(self) -> None:
        """Waits for the calls under way."""
        if self._calls:
            await asyncio.wait(self._calls)

    async def _call(self, rpc: Rpc) -> None:
        try:
            await rpc(self._next_stub())
        except grpc.aio.AioRpcError as error:
            self.ended[f"{rpc.__name__}: {error.code().name}: {error.details()}"] += 1
        except Exception as error:  # noqa: BLE001  # however it ended, it is counted
            self.ended[f"{rpc.__name__}: {error!r}"] += 1
        else:
            self.ended["ok"] += 1
