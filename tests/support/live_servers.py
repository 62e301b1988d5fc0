"""Stores on one database, each as a server of its own opens it, and what their live feeds are given."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, MutableSequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from routeguide.domain.models import Point, RouteNote
from routeguide.storage.base import LiveFeed, Retention
from routeguide.storage.postgres.opening import Database
from routeguide.storage.postgres.storage import PostgresStorage, open_postgres
from tests.support.postgres import PATIENT

HERE, THERE = Point(1, 2), Point(-900_000_000, -1_800_000_000)
DEADLINE = 30.0

LISTENS = "hears what other servers store"

_KEEPS_MANY = Retention(per_location=1000)

OpenServer = Callable[..., AbstractAsyncContextManager[PostgresStorage]]


@pytest.fixture
def open_server(postgres_url: str) -> OpenServer:
    """Opens a store with live chat and looks once a second, unless told otherwise."""

    @asynccontextmanager
    async def opened(
        retention: Retention = _KEEPS_MANY, url: str = postgres_url, **options: Any
    ) -> AsyncGenerator[PostgresStorage, None]:
        given = replace(PATIENT, **({"live_chat": True} | options))
        storage = await open_postgres(Database(url, 2 * DEADLINE, given), retention=retention)
        try:
            yield storage
        finally:
            await storage.close()

    return opened


@pytest.fixture
def looking_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what comes was announced, or looked for by the test: looks are far longer apart than a test."""
    monkeypatch.setattr("routeguide.storage.postgres.live._LOOK", 10 * DEADLINE)


def note(message: str, location: Point = HERE) -> RouteNote:
    return RouteNote(location, message)


async def heard(feed: LiveFeed, number: int) -> list[str]:
    """The next notes that are given out, as many as there should be."""
    messages: list[str] = []
    async with asyncio.timeout(DEADLINE):
        while len(messages) < number:
            await feed.ready()
            messages += [each.message for each in feed.take()]
    return messages


async def leave(server: PostgresStorage, texts: Iterable[str], location: Point = HERE) -> None:
    for text in texts:
        await server.notes.post(note(text, location))


async def look(server: PostgresStorage) -> None:
    """Returns when `server` has looked for what others stored."""
    exchange = server.notes._exchange
    assert exchange is not None
    await exchange._look()


async def logged(logs: MutableSequence[EventDict], event: str, times: int) -> None:
    """Returns when the `logs` that are being captured tell of `event` so many times."""
    async with asyncio.timeout(DEADLINE):
        while sum(entry["event"] == event for entry in logs) < times:  # noqa: ASYNC110  # a list tells nobody
            await asyncio.sleep(0.02)


@asynccontextmanager
async def listening(
    server: AbstractAsyncContextManager[PostgresStorage],
) -> AsyncGenerator[PostgresStorage, None]:
    """`server`, once it hears announcements."""
    with capture_logs() as logs:
        async with server as opened:
            await logged(logs, LISTENS, 1)
            yield opened
