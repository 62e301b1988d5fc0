"""How a call fails, in words for whoever made it."""

from collections.abc import Iterable, Iterator

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from routeguide.errors import FieldViolation, RouteGuideError

_DETAILS = "grpc-status-details-bin"
"""The trailing metadata that holds a google.rpc.Status, as every gRPC library has it."""


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


def failure_of(
    error: grpc.aio.AioRpcError,
    *,
    target: str,
    channel: grpc.ChannelConnectivity,
    deadline: float | None,
    obstacle: str | None = None,
) -> RpcFailed:
    """`error` in words.

    The state of the channel tells a server that answers UNAVAILABLE from none that answers: only the
    former leaves the channel ready. For the latter, `obstacle` is what was found to be in the way.
    """
    code, message = error.code(), error.details() or ""
    if is_made_here(error):
        sentence = f"the call to {target} was cut on its way ({message})"
    elif obstacle is None:
        sentence = _sentence(error, target, channel, deadline)
    else:
        sentence = f"cannot connect to {target}: {obstacle}"
    connected = obstacle is None and channel is not grpc.ChannelConnectivity.TRANSIENT_FAILURE
    interrupted = _was_cut(error) or (connected and code is grpc.StatusCode.UNAVAILABLE)
    return RpcFailed(sentence, code, message, _violations(error), interrupted=interrupted)


def is_made_here(error: grpc.aio.AioRpcError) -> bool:
    """Whether it is an INTERNAL that no server sent, for servers add metadata: grpc makes it of a stream that
    was reset, and of a write that failed."""
    return error.code() is grpc.StatusCode.INTERNAL and not error.trailing_metadata()


def _was_cut(error: grpc.aio.AioRpcError) -> bool:
    """Whether the stream was reset; a server that stops says CANCELLED to a call that comes too late."""
    return is_made_here(error) or error.code() is grpc.StatusCode.CANCELLED


def _sentence(
    error: grpc.aio.AioRpcError, target: str, channel: grpc.ChannelConnectivity, deadline: float | None
) -> str:
    code, message = error.code(), error.details() or ""
    if code is grpc.StatusCode.OK:
        return f"{target} ended the call early"
    if code is grpc.StatusCode.UNAVAILABLE and channel is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
        return f"cannot connect to {target}; does a gRPC server listen there? ({message})"
    if code is grpc.StatusCode.UNAVAILABLE and channel is not grpc.ChannelConnectivity.READY:
        return f"lost the connection to {target} ({message})"
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
