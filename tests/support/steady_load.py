"""Callers who go on whatever happens to the store, and a record of every answer that they got."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from routeguide.pb import route_guide_pb2_grpc as pb_grpc
from tests.conftest import CHANNEL_OPTIONS
from tests.support.wire import DEADLINE, Stub, drained, note, point

WRITERS = 4
READERS = 2

FIRST_LOOK = point(409146138, -746188906)

_PAUSE = 0.02
"""Seconds between two calls of a caller, so that refusals do not become a load of their own."""

CALL_DEADLINE = 30.0
"""Seconds: no answer may be that of an impatient client."""

_PATIENCE = 60.0
"""Seconds to wait for what is sure to come, on a busy machine."""

REFUSALS = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
"""What a call may be told when the store fails it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How one call ended. Times are those of the monotonic clock."""

    rpc: str
    begun: float
    ended: float
    code: grpc.StatusCode


class SteadyLoad:
    """Writers with a location each, and readers. Run it with `steady_load`."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self.answers: list[Answer] = []
        self.acknowledged: list[list[str]] = [[] for _ in range(WRITERS)]
        self._answered = asyncio.Event()

    async def write(self, writer: int) -> None:
        """Leaves one note after the other at a location of its own; never returns."""
        number = 0
        while True:
            number += 1
            message = f"{writer}-{number}"
            replies = drained(self._stub.RouteChat(iter([note(writer, 0, message)]), timeout=CALL_DEADLINE))
            if await self._record("RouteChat", replies):
                self.acknowledged[writer].append(message)

    async def read(self) -> None:
        """Looks at a feature again and again; never returns."""
        while True:
            await self._record("GetFeature", self._stub.GetFeature(FIRST_LOOK, timeout=CALL_DEADLINE))

    async def answered(self, wanted: Callable[[Answer], bool]) -> Answer:
        """The first answer that is `wanted`, from now on or before."""
        async with asyncio.timeout(_PATIENCE):
            while not (found := [answer for answer in self.answers if wanted(answer)]):
                self._answered.clear()
                await self._answered.wait()
        return found[0]

    async def refused(self, rpc: str, *, since: float) -> Answer:
        """The first call of `rpc` that was refused after `since`."""
        return await self.answered(lambda each: each.rpc == rpc and each.ended > since and not _good(each))

    async def recovery(self, *, since: float) -> float:
        """Seconds from `since` until calls of both kinds that began after it had been answered well."""
        wrote, read = [await self._good("RouteChat", since), await self._good("GetFeature", since)]
        return max(wrote.ended, read.ended) - since

    def longest(self) -> float:
        """Seconds that a call took at most."""
        return max(answer.ended - answer.begun for answer in self.answers)

    async def kept(self, writer: int) -> list[str]:
        """What lies at the writer's location."""
        replies = await drained(self._stub.RouteChat(iter([note(writer, 0, "the end")]), timeout=DEADLINE))
        return [reply.message for reply in replies]

    async def _good(self, rpc: str, since: float) -> Answer:
        return await self.answered(lambda each: each.rpc == rpc and each.begun >= since and _good(each))

    async def _record(self, rpc: str, call: Awaitable[object]) -> bool:
        begun = time.monotonic()
        try:
            await call
            code = grpc.StatusCode.OK
        except grpc.aio.AioRpcError as error:
            code = error.code()
        self.answers.append(Answer(rpc, begun, time.monotonic(), code))
        self._answered.set()
        await asyncio.sleep(_PAUSE)
        return code is grpc.StatusCode.OK


@asynccontextmanager
async def steady_load(address: str) -> AsyncGenerator[SteadyLoad, None]:
    """Load on the server at `address`.

    At the end every call must have ended well, or refused in the words for a store that fails; and every
    note that was acknowledged must be kept, once and in its place.
    """
    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        load = SteadyLoad(pb_grpc.RouteGuideStub(channel))
        callers = [asyncio.create_task(load.write(writer)) for writer in range(WRITERS)]
        callers += [asyncio.create_task(load.read()) for _ in range(READERS)]
        try:
            await load.recovery(since=0)  # everybody is at it
            yield load
        finally:
            for caller in callers:
                caller.cancel()
            await asyncio.wait(callers)
        _check_answers(load.answers)
        for writer, acknowledged in enumerate(load.acknowledged):
            kept = await load.kept(writer)
            assert [message for message in kept if message in acknowledged] == acknowledged


def _check_answers(answers: list[Answer]) -> None:
    assert {answer.code for answer in answers} <= REFUSALS | {grpc.StatusCode.OK}


def _good(answer: Answer) -> bool:
    return answer.code is grpc.StatusCode.OK
