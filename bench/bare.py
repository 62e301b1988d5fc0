"""`python -m bench.bare`: the server without the chain around its calls, to measure what the chain costs.

Everything else is the server's own: storage, servicer, conversion, runtime and its levers.
"""

from collections.abc import AsyncIterator
from typing import Any, cast

from routeguide.observability import configure_logging
from routeguide.server import app, runtime
from routeguide.server.call import Call, Context, Method
from routeguide.server.interceptor import Handler
from routeguide.settings import Settings


class BareCall(AsyncIterator[bytes]):
    """Messages and nothing else, read and written as `Call` does: that layer counts as the server's."""

    def __init__(self, context: Context) -> None:
        self.context = context

    async def __anext__(self) -> bytes:
        request: object = await self.context.read()
        if not isinstance(request, bytes):  # but grpc.aio.EOF
            raise StopAsyncIteration
        return request

    async def write(self, response: bytes) -> None:
        await self.context.write(response)


class BareInterceptor:
    """Calls the behaviour: no request id, no admission, no budget, no error mapping, no accounting."""

    def __init__(self, *_: Any) -> None:
        pass

    def around(self, method: Method) -> Handler:
        async def handle(_: object, context: Context) -> bytes | None:
            return await method.behaviour(cast("Call", BareCall(context)))

        return handle


def main() -> None:
    settings = Settings.load({"listen": "127.0.0.1:0", "storage_url": "memory://", "log_format": "json"})
    configure_logging(settings.log_level, settings.log_format)
    setattr(app, "Interceptor", BareInterceptor)  # noqa: B010  # a constant for type checkers
    runtime.run(lambda: app.serve(settings), settings=settings)


if __name__ == "__main__":
    main()
