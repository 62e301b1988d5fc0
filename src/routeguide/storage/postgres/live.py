"""Live notes between servers that share a database.

A server tells its own feeds what it has committed, and then announces the locations to the others, which read
from the table what their feeds lack there. An announcement is a hint: every server also looks by itself
once a second, so one that is lost delays notes and loses none.

NOTIFY stands in a statement of its own. Within a commit that stores notes it would hold a lock of the whole
cluster until that commit is durable, and line up the commits of all servers behind one another.
"""

import asyncio
import uuid
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

import asyncpg
import structlog

from routeguide.domain.models import Point, RouteNote
from routeguide.errors import InvalidInput, StorageError
from routeguide.storage.feed import Stored
from routeguide.storage.live import LiveNotes
from routeguide.storage.postgres import statements
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.listening import CHANNEL, Listener

_LOOK = 1.0
"""Seconds between two looks at all followed locations."""

_GATHER = 0.01
"""Seconds in which locations gather for the next announcement; it wakes all servers, so there are few."""

_ANNOUNCED_AT_ONCE = 300
"""Locations in one announcement; PostgreSQL takes 8000 bytes, and each has 23 at most."""

_LOOKED_AT_ONCE = 4096
"""Locations that one look asks about in a statement."""

_NOTES_READ = 16_384
"""Notes that one statement may have to read; it bounds memory where a location keeps many."""

_log = structlog.get_logger(__name__)


class LiveExchange:
    """What one open store tells the others, and hears of them. `start` it once; `close` is idempotent."""

    def __init__(self, connections: Connections, live: LiveNotes, *, per_location: int) -> None:
        """
        Args:
            per_location: notes that a location keeps.
        """
        self._connections = connections
        self._live = live
        self._read_at_once = max(1, _NOTES_READ // per_location)
        self._sender = uuid.uuid4().hex
        self._unannounced: set[Point] = set()
        self._announcing = asyncio.Event()
        self._heard_of: set[Point] = set()
        self._hearing = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, listener: Listener | None) -> None:
        """
        Args:
            listener: None where no connection can listen; then there are only the looks.
        """
        work: list[Coroutine[Any, Any, None]] = [self._announce_all(), self._look_around()]
        if listener is not None:
            work.append(listener.run(self._hear, self._hear_of_all))
        self._tasks = [asyncio.create_task(each, name="live exchange") for each in work]
        for task in self._tasks:
            task.add_done_callback(_report_end)

    def announce(self, locations: Iterable[Point]) -> None:
        """Lets the other servers know, soon, that something was committed at `locations`. Never waits."""
        self._unannounced.update(locations)
        self._announcing.set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _announce_all(self) -> None:
        while True:
            await self._announcing.wait()
            while self._unannounced:
                await asyncio.sleep(_GATHER)
                locations = _taken(self._unannounced, _ANNOUNCED_AT_ONCE)
                with suppress(StorageError):  # the others look by themselves
                    await self._announce_some(locations)
            self._announcing.clear()

    async def _announce_some(self, locations: Iterable[Point]) -> None:
        async with self._connections.connection() as connection:
            announcement = " ".join([self._sender, *map(str, locations)])
            await connection.execute(statements.ANNOUNCE, CHANNEL, announcement)

    def _hear(self, announcement: str) -> None:
        sender, *locations = announcement.split(" ")
        if sender == self._sender or not self._live.followed():
            return
        with suppress(ValueError, InvalidInput):  # whoever may connect may announce anything
            self._heard_of.update(self._live.followed() & set(map(_point, locations)))
        if self._heard_of:
            self._hearing.set()

    def _hear_of_all(self) -> None:
        """Whoever begins to listen does not know what was announced before."""
        self._heard_of.update(self._live.followed())
        self._hearing.set()

    async def _look_around(self) -> None:
        """Fetches what was heard of, at once, and looks everywhere from time to time."""
        now = asyncio.get_running_loop().time
        next_look = now()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(next_look):
                    await self._hearing.wait()
            self._hearing.clear()
            if now() >= next_look:
                with suppress(StorageError):  # the next look sees what this one would have
                    await self._look()
                next_look = now() + _LOOK
            await self._fetch_all()

    async def _look(self) -> None:
        """Finds out where there is something to fetch, which mostly is nowhere."""
        followed = list(self._live.followed())
        for start in range(0, len(followed), _LOOKED_AT_ONCE):
            known = self._live.cursors(followed[start : start + _LOOKED_AT_ONCE])
            rows = await self._rows(statements.NEWS_AT, known)
            self._heard_of.update(Point(latitude, longitude) for latitude, longitude in rows)

    async def _fetch_all(self) -> None:
        while self._heard_of:
            if cursors := self._live.cursors(_taken(self._heard_of, self._read_at_once)):
                with suppress(StorageError):  # the next look tries again
                    await self._fetch(cursors)

    async def _fetch(self, cursors: Mapping[Point, int]) -> None:
        found: list[Stored] = []
        last: dict[Point, int] = {}
        for latitude, longitude, last_number, number, message in await self._rows(
            statements.NOTES_BEYOND, cursors
        ):
            location = Point(latitude, longitude)
            last[location] = last_number
            if number is not None:
                found.append(Stored(number, RouteNote(location, message.decode())))
        self._live.publish_found(found, last)

    async def _rows(self, statement: str, known: Mapping[Point, int]) -> Sequence[asyncpg.Record]:
        """What `statement` finds beyond the `known` numbers."""
        latitudes = [location.latitude for location in known]
        longitudes = [location.longitude for location in known]
        async with self._connections.connection() as connection:
            return await connection.fetch(statement, latitudes, longitudes, list(known.values()))


def _report_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        _log.error("notes of other servers come no more", exc_info=task.exception())


def _taken(locations: set[Point], number: int) -> Collection[Point]:
    """Takes so many of `locations` out of them; fewer, if there are not as many."""
    taken = list(islice(locations, number))
    locations.difference_update(taken)
    return taken


def _point(text: str) -> Point:
    latitude, longitude = text.split(",")
    return Point(int(latitude), int(longitude))
