"""The access log: one event for each call that has ended. It never holds payloads, headers or secrets."""

import time
from collections.abc import Callable
from typing import Literal

import structlog

from routeguide.observability.calls import ObservedCall
from routeguide.observability.instruments import is_fault
from routeguide.observability.throttle import LogThrottle

AccessLogMode = Literal["all", "errors", "off"]

_ERRORS_PER_SECOND = 50

_UNREMARKABLE = frozenset({"OK", "CANCELLED"})
"""What is no error: a client that no longer wants the answer is none."""

_log = structlog.get_logger(__name__)


class AccessLog:
    """Logs calls as they end: the server's faults as warnings, all others as info.

    With `all` every call is logged. Otherwise only those that ended badly are, 50 a second at most; how many
    were left out is logged with the next one.
    """

    def __init__(self, mode: AccessLogMode, clock: Callable[[], float] = time.monotonic) -> None:
        self._all = mode == "all"
        self._throttle = LogThrottle(_ERRORS_PER_SECOND, "calls not logged", clock)

    def ended(self, method: str, code: str, seconds: float, call: ObservedCall) -> None:
        if self._all or (code not in _UNREMARKABLE and self._throttle.lets_through()):
            write = _log.warning if is_fault(code, call) else _log.info
            write(
                "call",
                method=method,
                code=code,
                seconds=round(seconds, 6),
                request_id=call.request_id,
                received=call.received,
                sent=call.sent,
                peer=call.peer,
            )

    def close(self) -> None:
        """Tells what was left out since the last line."""
        self._throttle.close()
