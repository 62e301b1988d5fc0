"""The chain around every call, whatever its shape: request id, admission, budgets, errors, accounting.

One function does it all: grpc runs interceptors inside the handler's task, one await each, and a chain of
five would cost five times as much and could differ between the shapes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import grpc
import structlog

from routeguide.observability import CallObserver
from routeguide.observability.throttle import LogThrottle
from routeguide.server.admission import Admission
from routeguide.server.call import Call, Context, Method
from routeguide.server.status import refusal_of, status_of
from routeguide.server.supervisor import Supervisor

Handler = Callable[[object, Context], Awaitable[bytes | None]]
"""As grpc calls it. Its first argument, grpc's iterator over the requests, is not used: `Call` reads them."""

REQUEST_ID = "x-request-id"

_CAUSES_PER_SECOND = 50

_log = structlog.get_logger(__name__)


class Interceptor:
    """Admits calls, turns what they raise into statuses, and tells the observer how they ended."""

    def __init__(self, supervisor: Supervisor, admission: Admission, observer: CallObserver | None) -> None:
        self._supervisor = supervisor
        self._admission = admission
        self._observer = observer
        self._throttle = LogThrottle(_CAUSES_PER_SECOND, "causes not logged")

    def around(self, method: Method) -> Handler:
        """The method as grpc may call it: it raises nothing but its task's own cancellation."""
        path, behaviour, observer = method.path, method.behaviour, self._observer
        admission, supervisor, refuse = self._admission, self._supervisor, self._refuse

        async def handle(_: object, context: Context) -> bytes | None:
            call = Call(method, context)
            context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
            supervisor.enter(call)
            code, response = "OK", None
            try:
                admission.admit(call)
                response = await behaviour(call)
                call.sent += response is not None
            except asyncio.CancelledError as cancelled:
                cause = call.cause_of_cancellation(cancelled)
                if cause is None:
                    code = "DEADLINE_EXCEEDED" if call.is_nearly_late else "CANCELLED"
                    raise
                # Raised on, it would send no status at all, and the client would wait until its own
                # deadline (grpc/grpc#29248).
                code = refuse(call, cause)
            except Exception as error:  # noqa: BLE001  # the boundary: nothing may reach the client as it is
                code = refuse(call, error)
            finally:
                supervisor.leave(call)
                if observer is not None and not method.exempt:
                    if call.is_late:  # whatever we have to say, its client has heard this
                        code = "DEADLINE_EXCEEDED"
                    observer.ended(path, code, time.monotonic() - call.started, call)
            return response

        return handle

    def _refuse(self, call: Call, error: BaseException) -> str:
        """Ends the call with the status for `error`, and says the name of its code.

        Setting the status and returning costs less than `abort`.
        """
        status = status_of(error, call.request_id)
        call.context.set_code(status.code)
        call.context.set_details(status.details)
        call.context.set_trailing_metadata(((REQUEST_ID, call.request_id), *status.trailing_metadata))
        unforeseen = refusal_of(error).code is grpc.StatusCode.INTERNAL
        if (unforeseen or error.__cause__ is not None) and self._throttle.lets_through():
            _log_cause(call, status.code.name, error, unforeseen=unforeseen)
        return status.code.name


def _log_cause(call: Call, code: str, error: BaseException, *, unforeseen: bool) -> None:
    log = _log.bind(method=call.method.path, code=code, request_id=call.request_id)
    if unforeseen:
        log.error("call failed", exc_info=error)
    else:
        log.warning("call failed", error=str(error), cause=repr(error.__cause__))
