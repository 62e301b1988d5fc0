"""All methods of all services, handed to grpc as one generic handler.

One handler instead of registered methods: since grpc/grpc#41796 every accepted call waits on all registered
methods at once, and pays for each. Requests and responses stay bytes (no serialisers), so that decoding is
the project's own code under the project's own error handling.
"""

from collections.abc import Iterable

import grpc

from routeguide.errors import UnknownMethod
from routeguide.server.call import Call, Method, Shape
from routeguide.server.interceptor import Interceptor


async def _refuse(_: Call) -> None:
    raise UnknownMethod


_OTHER = Method("", "_OTHER", _refuse, Shape.UNARY, streams_responses=True)
"""What calls of unknown methods are counted as: a name for each would let anybody fill the metrics.
The name is that of OpenTelemetry's conventions for RPC."""


class MethodTable(grpc.GenericRpcHandler):
    """Finds the handler of a call by its path; an unknown one is refused by the same chain as the others."""

    def __init__(self, methods: Iterable[Method], interceptor: Interceptor) -> None:
        self._handlers = {method.path: _handler(method, interceptor) for method in methods}
        self._other = _handler(_OTHER, interceptor)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        return self._handlers.get(handler_call_details.method, self._other)


def _handler(method: Method, interceptor: Interceptor) -> "grpc.RpcMethodHandler[bytes, bytes]":
    register = (
        grpc.stream_stream_rpc_method_handler
        if method.streams_responses
        else grpc.stream_unary_rpc_method_handler
    )
    return register(interceptor.around(method))
