"""How a call fails, in words for whoever made it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from routeguide.errors import FieldViolation, RouteGuideError

_DETAILS = "grpc-status-details-bin"
"""The trailing metadata that holds a google.rpc.Status, as every gRPC library has it."""

_RESET = ("Received RST_STREAM with error code", "Internal error from Core")
"""What grpc's core says of a stream that was reset, and grpc.aio of a write that failed on one."""


class RpcFailed(RouteGuideError):
    """A call ended with another status than OK. Its text is a sentence for people."""

    def __init__(
        self,
        sentence: str,
        code: grpc.StatusCode,
        message: str,
        violations: Iterable[FieldViolation] = (),
        *,
        interrupted: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.message = message
        """What the server said, or the RPC library where no server did."""
        self.violations = tuple(violations)
        """The fields of the request that the server names in google.rpc.BadRequest."""
        self.interrupted = interrupted
        """Whether the call was cut, on its way or by a server that cannot go on; another may do better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Those in which a call failed."""

    target: str
    deadline: float | None
    """Seconds that the call had."""
    connected: bool
    """Whether the call had a connection, which it may have lost."""
    ready: bool
    """Whether the channel has one now: then UNAVAILABLE is what the server answered."""
    obstacle: str | None = None
    """What was found to be in the way of a call that had none."""


def failure_of(error: grpc.aio.AioRpcError, circumstances: Circumstances) -> RpcFailed:
    """`error` in words."""
    code, message = error.code(), error.details() or ""
    unavailable, connected = code is grpc.StatusCode.UNAVAILABLE, circumstances.connected
    if unavailable and not (connected and circumstances.ready):
        sentence = _without_connection(message, circumstances)
    else:
        sentence = _sentence(error, circumstances)
    interrupted = _was_cut(error) or (connected and unavailable)
    return RpcFailed(sentence, code, message, _violations(error), interrupted=interrupted)


def is_made_here(error: grpc.aio.AioRpcError) -> bool:
    """Whether grpc may have made an INTERNAL of a stream that was reset or a write that failed, since it came
    without metadata. That of a server which adds none looks the same."""
    return error.code() is grpc.StatusCode.INTERNAL and not error.trailing_metadata()


def _was_cut(error: grpc.aio.AioRpcError) -> bool:
    """Whether the stream was reset; a server that stops says CANCELLED to a call that comes too late."""
    return _was_reset(error) or error.code() is grpc.StatusCode.CANCELLED


def _was_reset(error: grpc.aio.AioRpcError) -> bool:
    """By its text, for nothing else tells a reset from an INTERNAL of a server that has failed."""
    message = error.details() or ""
    return is_made_here(error) and any(text in message for text in _RESET)


def _without_connection(message: str, circumstances: Circumstances) -> str:
    target, obstacle = circumstances.target, circumstances.obstacle
    if circumstances.connected:
        return f"lost the connection to {target} ({message})"
    if obstacle is not None:
        return f"cannot connect to {target}: {obstacle}"
    return f"cannot connect to {target}; does a gRPC server listen there? ({message})"


def _sentence(error: grpc.aio.AioRpcError, circumstances: Circumstances) -> str:
    code, message = error.code(), error.details() or ""
    target, deadline = circumstances.target, circumstances.deadline
    if _was_reset(error):
        return f"the call to {target} was cut on its way ({message})"
    if code is grpc.StatusCode.OK:
        return f"{target} ended the call early"
    if code is grpc.StatusCode.DEADLINE_EXCEEDED and deadline is not None:
        return f"{target} did not answer within {deadline:g} seconds"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return f"the server at {target} is no RouteGuide ({message})"
    return f"{message or 'the server gives no reason'} ({code.name})"


def _violations(error: grpc.aio.AioRpcError) -> Iterator[FieldViolation]:
    for key, value in error.trailing_metadata():
        if key == _DETAILS and isinstance(value, bytes):
            yield from _unpacked(value)


def _unpacked(status: bytes) -> list[FieldViolation]:
    bad_request = error_details_pb2.BadRequest()
    found: list[FieldViolation] = []
    try:
        for detail in status_pb2.Status.FromString(status).details:
            if detail.Unpack(bad_request):
                found += [
                    FieldViolation(each.field, each.description) for each in bad_request.field_violations
                ]
    except DecodeError:
        return []  # details are an addition to the status, which stands without them
    return found
