"""A gRPC server that answers health checks as a test wants it to, and tells what reached it."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import grpc

from alb.envoy import Target
from tests.support.wire import DEADLINE

CHECK = "/AWS.ALB/healthcheck"
AnyTarget = TypeVar("AnyTarget", bound="ScriptedTarget")
CODES = {int(code.value[0]): code for code in grpc.StatusCode}


class ScriptedTarget(grpc.GenericRpcHandler):
    """Answers every call with an empty message, and checks with the codes it is given, the last for ever."""

    def __init__(self, codes: Sequence[int], host: str) -> None:
        self.metadata: list[dict[str, str]] = []
        """Of every call but the checks."""
        self.checks: list[int] = []
        """The codes given so far."""
        self.clients: list[str] = []
        """From where each check came."""
        self.port = 0
        self.host = host
        self._codes: Iterator[int] = itertools.chain(codes, itertools.repeat(codes[-1]))

    @property
    def target(self) -> Target:
        return self.host, self.port

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler of each call, as grpc asks for it."""
        if handler_call_details.method == CHECK:
            return grpc.unary_unary_rpc_method_handler(self._check)
        metadata = handler_call_details.invocation_metadata
        self.metadata.append({str(name): str(value) for name, value in metadata})
        return grpc.unary_unary_rpc_method_handler(_answer)

    async def _next_code(self) -> int:
        return next(self._codes)

    async def _check(self, request: bytes, context: Any) -> bytes:
        self.checks.append(await self._next_code())
        self.clients.append(context.peer())
        if self.checks[-1]:
            await context.abort(CODES[self.checks[-1]], "as scripted")
        return b""


class SteppedTarget(ScriptedTarget):
    """Lets each check wait for its answer, and the balancer with it; calls are answered at once."""

    def __init__(self, host: str) -> None:
        super().__init__([12], host)
        self._waiting: asyncio.Queue[asyncio.Future[int]] = asyncio.Queue()
        self._current: asyncio.Future[int] | None = None

    async def answer(self, code: int) -> None:
        """Answers the check that waits; returns when the next one does, and so the answer counts."""
        async with asyncio.timeout(DEADLINE):
            current = self._current or await self._waiting.get()
            current.set_result(code)
            self._current = await self._waiting.get()

    async def _next_code(self) -> int:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(answer)
        return await answer


async def _answer(request: bytes, context: Any) -> bytes:
    return b""


@asynccontextmanager
async def scripted_target(
    *codes: int, host: str = "127.0.0.1", port: int = 0
) -> AsyncGenerator[ScriptedTarget, None]:
    async with _serving(ScriptedTarget(codes, host), port) as found:
        yield found


@asynccontextmanager
async def stepped_target() -> AsyncGenerator[SteppedTarget, None]:
    async with _serving(SteppedTarget("127.0.0.1"), 0) as found:
        yield found


@asynccontextmanager
async def _serving(found: AnyTarget, port: int) -> AsyncGenerator[AnyTarget, None]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers([found])
    found.port = server.add_insecure_port(f"{found.host}:{port}")
    await server.start()
    try:
        yield found
    finally:
        await server.stop(None)
