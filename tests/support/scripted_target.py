"""A gRPC server that answers health checks as a test wants it to, and tells what reached it."""

import itertools
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from alb.envoy import Target

CHECK = "/AWS.ALB/healthcheck"
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
        self._host = host
        self._codes: Iterator[int] = itertools.chain(codes, itertools.repeat(codes[-1]))

    @property
    def target(self) -> Target:
        return self._host, self.port

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler of each call, as grpc asks for it."""
        if handler_call_details.method == CHECK:
            return grpc.unary_unary_rpc_method_handler(self._check)
        metadata = handler_call_details.invocation_metadata
        self.metadata.append({str(name): str(value) for name, value in metadata})
        return grpc.unary_unary_rpc_method_handler(_answer)

    async def _check(self, request: bytes, context: Any) -> bytes:
        self.checks.append(next(self._codes))
        self.clients.append(context.peer())
        if self.checks[-1]:
            await context.abort(CODES[self.checks[-1]], "as scripted")
        return b""


async def _answer(request: bytes, context: Any) -> bytes:
    return b""


@asynccontextmanager
async def scripted_target(
    *codes: int, host: str = "127.0.0.1", port: int = 0
) -> AsyncGenerator[ScriptedTarget, None]:
    found = ScriptedTarget(codes, host)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers([found])
    found.port = server.add_insecure_port(f"{host}:{port}")
    await server.start()
    try:
        yield found
    finally:
        await server.stop(None)
