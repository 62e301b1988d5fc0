"""Whether this server wants calls, in one place for everything that reports it."""

import asyncio
from enum import Enum


class State(Enum):
    """The life of a server, in order."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    """Still serving, but asking its callers to go elsewhere."""
    STOPPING = "stopping"
    """Takes no more calls; watchers of its health are sent away."""


class Readiness:
    """The state, and a way to wait for the next one."""

    def __init__(self) -> None:
        self._state = State.STARTING
        self._changed = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        return self._state is State.READY

    @property
    def is_stopping(self) -> bool:
        return self._state is State.STOPPING

    def become(self, state: State) -> None:
        """Enters `state` and wakes everyone who waits, without waiting for any of them."""
        self._state = state
        self._changed.set()
        self._changed = asyncio.Event()

    def next_change(self) -> asyncio.Event:
        """Set at the next change. Take it before looking at the state, and no change is missed."""
        return self._changed
