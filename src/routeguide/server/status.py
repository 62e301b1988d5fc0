"""The one table from errors to gRPC statuses.

Codes and texts are those of the contract; each status carries `google.rpc.ErrorInfo` (a reason that programs
can compare) and, where fields are at fault, `google.rpc.BadRequest`. A cause never leaves the server.
"""

from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from routeguide.errors import (
    DeadlineExceeded,
    FellBehind,
    InvalidInput,
    LimitExceeded,
    LiveChatOff,
    NotAllowed,
    NotesMissed,
    Overloaded,
    RateLimited,
    Reconnect,
    RequestRefused,
    ResultOutOfRange,
    RouteGuideError,
    StorageBusy,
    StorageFull,
    StorageUnavailable,
    Unauthenticated,
    UnknownEntity,
    UnknownMethod,
)

ERROR_DOMAIN = "routeguide"
"""The `domain` of every ErrorInfo: reasons are unique within it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a kind of error is told to the client."""

    code: grpc.StatusCode
    reason: str
    sentence: str | None = None
    """A fixed text; None tells the error's own, which was written for whoever made the request."""


_TABLE: tuple[tuple[type[RouteGuideError], Refusal], ...] = (
    (InvalidInput, Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")),
    (LimitExceeded, Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")),
    (ResultOutOfRange, Refusal(grpc.StatusCode.OUT_OF_RANGE, "RESULT_OUT_OF_RANGE")),
    (UnknownMethod, Refusal(grpc.StatusCode.UNIMPLEMENTED, "UNKNOWN_METHOD")),
    (UnknownEntity, Refusal(grpc.StatusCode.NOT_FOUND, "UNKNOWN_ENTITY")),
    (NotAllowed, Refusal(grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")),
    (Unauthenticated, Refusal(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")),
    (RateLimited, Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")),
    (Overloaded, Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")),
    (DeadlineExceeded, Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")),
    (LiveChatOff, Refusal(grpc.StatusCode.FAILED_PRECONDITION, "LIVE_CHAT_OFF")),
    (FellBehind, Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "FELL_BEHIND")),
    (NotesMissed, Refusal(grpc.StatusCode.ABORTED, "NOTES_MISSED")),
    (Reconnect, Refusal(grpc.StatusCode.UNAVAILABLE, "RECONNECT")),
    (
        StorageFull,
        Refusal(
            grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_FULL", "there is no room left to store anything"
        ),
    ),
    (
        StorageBusy,
        Refusal(
            grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_BUSY", "the store has too much to do; try again"
        ),
    ),
    (
        StorageUnavailable,
        Refusal(grpc.StatusCode.UNAVAILABLE, "STORAGE_UNAVAILABLE", "the store cannot be reached; try again"),
    ),
)

_UNFORESEEN = Refusal(grpc.StatusCode.INTERNAL, "INTERNAL")


def refusal_of(error: BaseException) -> Refusal:
    """The row of the table for `error`; INTERNAL for everything unforeseen."""
    for kind, refusal in _TABLE:
        if isinstance(error, kind):
            return refusal
    return _UNFORESEEN


def status_of(error: BaseException, request_id: str) -> grpc.Status:
    """The whole status for `error`: code, text, and details as trailing metadata."""
    refusal = refusal_of(error)
    info = error_details_pb2.ErrorInfo(reason=refusal.reason, domain=ERROR_DOMAIN)
    details: list[Message] = [info]
    if refusal is _UNFORESEEN:
        info.metadata["request_id"] = request_id
        text = f"internal error; the server's log has the cause under request id {request_id}"
    else:
        text = refusal.sentence or str(error)
    if isinstance(error, RequestRefused):
        details.append(_bad_request(error))
    if isinstance(error, Overloaded):
        details.append(_retry_info(error.retry_after))
    return rpc_status.to_status(
        status_pb2.Status(code=refusal.code.value[0], message=text, details=list(map(_packed, details)))
    )


def _bad_request(error: RequestRefused) -> error_details_pb2.BadRequest:
    violation = error_details_pb2.BadRequest.FieldViolation
    return error_details_pb2.BadRequest(
        field_violations=[
            violation(field=each.field, description=each.description) for each in error.violations
        ]
    )


def _retry_info(seconds: float) -> error_details_pb2.RetryInfo:
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromNanoseconds(int(seconds * 1e9))
    return info


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
