"""Whether this server wants calls, in one place for everything that reports it."""

import asyncio
from enum import Enum

import structlog

_log = structlog.get_logger(__name__)


class State(Enum):
    """The life of a server, in order."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    """Still serving, but asking its callers to go elsewhere."""
    STOPPING = "stopping"
    """Takes no more calls."""


class Readiness:
    """Ready is who serves and, where that counts, has a store."""

    def __init__(self, *, needs_storage: bool = True) -> None:
        self._needs_storage = needs_storage
        self._state = State.STARTING
        self._has_storage = True
        self._changed = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        return self._state is State.SERVING and (self._has_storage or not self._needs_storage)

    def become(self, state: State) -> None:
        """Enters `state` and wakes everyone who waits, without waiting for any of them."""
        self._state = state
        self._announce()

    def found_storage(self, *, answers: bool, cause: BaseException | None = None) -> None:
        """Remembers whether the store answers; says so once, when that changes."""
        if answers == self._has_storage:
            return
        self._has_storage = answers
        if answers:
            _log.info("storage found again", ready=self.is_ready)
        else:
            _log.warning("storage lost", ready=self.is_ready, cause=repr(cause))
        self._announce()

    def next_change(self) -> asyncio.Event:
        """Set at the next change. Take it before looking at the state, and no change is missed."""
        return self._changed

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
