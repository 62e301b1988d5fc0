"""Holds SQLite right before a statement, so that a test can do something in the middle of a transaction."""

import asyncio
import sqlite3
import threading
from typing import Any

import pytest

from tests.support.wire import DEADLINE


class HeldStatement:
    """Holds one statement, on whichever connection runs it first, until `release`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._part: str | None = None
        self._reached = asyncio.Event()
        self._released = threading.Event()

    def hold(self, part: str) -> None:
        """The next statement whose text contains `part` will be held."""
        self._part = part

    async def reached(self) -> None:
        """Returns when the statement is being held."""
        async with asyncio.timeout(DEADLINE):
            await self._reached.wait()

    def release(self) -> None:
        self._released.set()

    def trace(self, statement: str) -> None:
        """Called by SQLite on the connection's thread, before each statement."""
        if self._part is not None and self._part in statement:
            self._part = None
            self._loop.call_soon_threadsafe(self._reached.set)
            self._released.wait(DEADLINE)


@pytest.fixture
async def held(monkeypatch: pytest.MonkeyPatch) -> HeldStatement:
    """Sees the statements of every connection that is opened from now on."""
    statement = HeldStatement()
    connect = sqlite3.connect

    def traced(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.set_trace_callback(statement.trace)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    return statement
