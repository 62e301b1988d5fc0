"""A bound on how much is logged: a server in trouble must not be slowed further by writing about it."""

import time
from collections.abc import Callable

import structlog

_log = structlog.get_logger(__name__)


class LogThrottle:
    """Lets so many lines through each second, and says once how many were left out."""

    def __init__(self, per_second: int, left_out: str, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            per_second: lines.
            left_out: the event that tells, as `lines`, how many there would have been more.
            clock: seconds.
        """
        self._per_second = per_second
        self._left_out = left_out
        self._clock = clock
        self._second = 0
        self._asked = 0

    def lets_through(self) -> bool:
        """Whether one more line may be written now."""
        second = int(self._clock())
        if second != self._second:
            self.close()
            self._second, self._asked = second, 0
        self._asked += 1
        return self._asked <= self._per_second

    def close(self) -> None:
        """Tells what was left out since it was last told."""
        if self._asked > self._per_second:
            _log.warning(self._left_out, lines=self._asked - self._per_second)
            self._asked = 0
