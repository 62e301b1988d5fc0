"""Shorthands for the messages and statuses that tests over the wire deal in."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from routeguide.pb import route_guide_pb2 as pb
from routeguide.pb import route_guide_pb2_grpc as pb_grpc

if TYPE_CHECKING:
    Stub: TypeAlias = pb_grpc.RouteGuideAsyncStub
else:  # at run time there is one class; the stubs tell what it is on an asyncio channel
    Stub = pb_grpc.RouteGuideStub

DEADLINE = 30.0
"""Seconds; no call of any test goes without one. It ends what hangs, not what a busy machine does slowly."""


def point(latitude: int, longitude: int) -> pb.Point:
    return pb.Point(latitude=latitude, longitude=longitude)


def rectangle(south: int, west: int, north: int, east: int) -> pb.Rectangle:
    return pb.Rectangle(lo=point(south, west), hi=point(north, east))


def note(latitude: int, longitude: int, message: str) -> pb.RouteNote:
    return pb.RouteNote(location=point(latitude, longitude), message=message)


async def failure(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    """The error that `call` ends with; the test fails if it ends well."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError(f"the call was answered with {answer!r}")


async def next_note(call: Any) -> pb.RouteNote:
    """The next reply of a chat; the test fails if the chat is over."""
    reply = await call.read()
    assert isinstance(reply, pb.RouteNote)
    return reply


async def drained(call: Any) -> list[Any]:
    """Every response of a streaming call."""
    return [response async for response in call]


def violations(error: grpc.aio.AioRpcError) -> dict[str, str]:
    """What `google.rpc.BadRequest` in the status details says, by field."""
    bad_request = error_details_pb2.BadRequest()
    for detail in _details(error):
        if detail.Unpack(bad_request):
            return {each.field: each.description for each in bad_request.field_violations}
    return {}


def reason(error: grpc.aio.AioRpcError) -> str:
    """What `google.rpc.ErrorInfo` in the status details says."""
    info = error_details_pb2.ErrorInfo()
    for detail in _details(error):
        if detail.Unpack(info):
            assert info.domain == "routeguide"
            return str(info.reason)
    return ""


def _details(error: grpc.aio.AioRpcError) -> list[Any]:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # an AioRpcError is call enough for it
    return list(status.details) if status is not None else []


def retry_delay(error: grpc.aio.AioRpcError) -> float | None:
    """Seconds that `google.rpc.RetryInfo` in the status details asks to wait."""
    info = error_details_pb2.RetryInfo()
    for detail in _details(error):
        if detail.Unpack(info):
            return float(info.retry_delay.ToTimedelta().total_seconds())
    return None
