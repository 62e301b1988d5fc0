"""channelz, `grpc.channelz.v1`: what grpc's core knows of connections, for grpcdebug and others.

It names the addresses of clients, so it is off by default. The core answers from memory, in about 15 µs for
each connection that an answer lists; with a hundred at most, that is too little to leave the event loop for.
"""

from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_channelz.v1 import channelz_pb2
from grpc_channelz.v1.channelz import ChannelzServicer as StockServicer

from routeguide.conversion import encode, parse
from routeguide.errors import UnknownEntity
from routeguide.server.call import Behaviour, Call, Method, Shape
from routeguide.server.servicer import only_request

SERVICE = "grpc.channelz.v1.Channelz"

_MOST_SOCKETS = 100
"""In one answer; the stock servicer lists all of them where the client names no number."""


class _Outcome:
    """The context that the stock servicer is given: what that says of failures is grpc's own text."""

    def __init__(self) -> None:
        self._code = grpc.StatusCode.INTERNAL
        self._details = ""

    def set_code(self, code: grpc.StatusCode) -> None:
        self._code = code

    def set_details(self, details: str) -> None:
        self._details = details

    def error(self) -> Exception:
        """What is to be raised: told and counted as every other error is."""
        if self._code is grpc.StatusCode.NOT_FOUND:
            return UnknownEntity("there is no such channelz entity")
        return RuntimeError(self._details)


class ChannelzServicer:
    """Answers for the whole process."""

    def methods(self) -> list[Method]:
        described = channelz_pb2.DESCRIPTOR.services_by_name["Channelz"].methods
        return [Method(SERVICE, method.name, _behaviour(method.name), Shape.UNARY) for method in described]


def _behaviour(name: str) -> Behaviour:
    ask = getattr(StockServicer, name)
    kind: type[Message] = getattr(channelz_pb2, f"{name}Request")

    async def answer(call: Call) -> bytes | None:
        request = _bounded(parse(kind, await only_request(call)))
        outcome = _Outcome()
        response: Message | None = ask(request, outcome)
        if response is None:
            raise outcome.error()
        return encode(response)

    return answer


def _bounded(request: Any) -> Any:
    if "max_results" in request.DESCRIPTOR.fields_by_name:
        asked_for = request.max_results
        request.max_results = min(asked_for, _MOST_SOCKETS) if asked_for > 0 else _MOST_SOCKETS
    return request
