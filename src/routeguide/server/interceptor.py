"""What happens around every call, whatever its shape.

One function does it all: grpc runs interceptors inside the handler's task, one await each, and a chain of
five would cost five times as much and could differ between the shapes.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import structlog

from routeguide.server.status import refusal_of, status_of

Context = grpc.aio.ServicerContext[bytes, bytes]
Requests = AsyncIterator[bytes]
Behaviour = Callable[[Requests, Context], Awaitable[bytes | None]]
"""A method: it reads encoded requests, writes or returns encoded responses, and raises domain errors."""

_log = structlog.get_logger(__name__)


class Interceptor:
    """Turns errors into statuses, and knows which calls are still running."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[object]] = set()

    def around(self, method: str, behaviour: Behaviour) -> Behaviour:
        """`behaviour` as grpc may call it: it raises nothing but its task's own cancellation."""

        async def call(requests: Requests, context: Context) -> bytes | None:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101  # grpc runs every handler in a task; tells mypy so
            self._running.add(task)
            try:
                return await behaviour(requests, context)
            except asyncio.CancelledError as error:
                if task.cancelling():
                    raise
                # Something inside was cancelled, not this call. Raised on, it would send no status at all,
                # and the client would wait until its deadline (grpc/grpc#29248).
                _refuse(context, method, error)
            except Exception as error:  # noqa: BLE001  # the boundary: nothing may reach the client as it is
                _refuse(context, method, error)
            finally:
                self._running.discard(task)
            return None

        return call

    async def finished(self) -> None:
        """Returns when no call is running; `grpc.aio.Server.stop` returns before that (grpc/grpc#37239)."""
        while self._running:
            await asyncio.wait(self._running)


def _refuse(context: Context, method: str, error: BaseException) -> None:
    """Ends the call with the status for `error`. Setting it and returning costs less than `abort`."""
    request_id = _request_id(context)
    status = status_of(error, request_id)
    context.set_code(status.code)
    context.set_details(status.details)
    context.set_trailing_metadata(status.trailing_metadata)
    log = _log.bind(method=method, code=status.code.name, request_id=request_id)
    if refusal_of(error).code is grpc.StatusCode.INTERNAL:
        log.error("call failed", exc_info=error)
    elif error.__cause__ is not None:
        log.warning("call failed", error=str(error), cause=repr(error.__cause__))
    else:
        log.debug("call refused", error=str(error))


def _request_id(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "x-request-id" and isinstance(value, str):
            return value[:128]
    return uuid.uuid4().hex
