"""Failures that may last: told when they begin and when they are over, not at every attempt in between."""

import structlog

_log = structlog.get_logger(__name__)


class Trouble:
    """What goes wrong with one thing that is tried again and again."""

    def __init__(self, begins: str, ends: str) -> None:
        """
        Args:
            begins: the event that is logged at the first failure.
            ends: the one at the first success after it.
        """
        self._begins = begins
        self._ends = ends
        self._lasts = False

    def failed(self, error: Exception) -> None:
        if not self._lasts:
            self._lasts = True
            _log.warning(self._begins, error=str(error), cause=repr(error.__cause__))

    def succeeded(self) -> None:
        if self._lasts:
            self._lasts = False
            _log.info(self._ends)
