"""Live notes between servers that share a database.

A server tells its own feeds what it has committed, and then announces the locations to the others, which read
from the table what their feeds lack there. An announcement is a hint: every server also looks by itself
once a second, so one that is lost delays notes and loses none.

A location that lost all its notes keeps its row for five minutes, and is forgotten then. As long as the looks
of a server are closer together, one that has been forgotten had nothing that this server did not see.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice

import asyncpg
import structlog

from routeguide.domain.models import Point, RouteNote
from routeguide.errors import StorageError
from routeguide.storage.base import Retention
from routeguide.storage.feed import Stored
from routeguide.storage.live import LiveNotes
from routeguide.storage.postgres import statements
from routeguide.storage.postgres.announcing import Announcer
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.listening import Listener
from routeguide.storage.trouble import Trouble

_LOOK = 1.0
"""Seconds between two looks at all followed locations."""

_REMEMBERED = 120.0
"""Seconds since a look for which whatever was stored after it still shows; the database allows 300."""

_PAUSE = 1.0
"""Seconds until work that failed for a reason that nobody foresaw begins anew."""

_LOOKED_AT_ONCE = 4096
"""Locations that one look asks about in a statement."""

_NOTES_READ = 16_384
"""Notes that one statement may have to read; it bounds memory where a location keeps many."""

_log = structlog.get_logger(__name__)


class LiveExchange:
    """What one open store tells the others, and hears of them. `start` it once; `close` is idempotent."""

    def __init__(
        self, connections: Connections, live: LiveNotes, retention: Retention, clock: Callable[[], float]
    ) -> None:
        """
        Args:
            clock: seconds since 1970; tells the age of notes.
        """
        self._connections = connections
        self._live = live
        self._retention = retention
        self._clock = clock
        self._announcer = Announcer(connections)
        self._heard_of: set[Point] = set()
        self._hearing = asyncio.Event()
        self._is_look_due = False
        self._looked_at = asyncio.get_running_loop().time()
        self._trouble = Trouble(
            "cannot read what other servers store", "reads again what other servers store"
        )
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def may_have_missed(self) -> bool:
        """Whether something could be stored, dropped and forgotten since the last look that found all."""
        return asyncio.get_running_loop().time() - self._looked_at > _REMEMBERED

    def start(self, listener: Listener | None) -> None:
        """
        Args:
            listener: None where no connection can listen; then there are only the looks.
        """
        self._keep_up("announcing", self._announcer.run)
        self._keep_up("looking", self._look_around)
        if listener is not None:
            self._keep_up("listening", lambda: listener.run(self._hear, self.look_soon))

    def announce(self, locations: Iterable[Point]) -> None:
        """Lets the other servers know, soon, that something was committed at `locations`. Never waits."""
        self._announcer.announce(locations)

    def search(self, locations: Collection[Point]) -> None:
        """Finds out, soon, what was stored at `locations`. Never waits."""
        self._heard_of.update(locations)
        if locations:
            self._hearing.set()

    def look_soon(self) -> None:
        """Finds out, soon, what was stored anywhere: whoever begins to listen has heard nothing before."""
        self._is_look_due = True
        self._hearing.set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _keep_up(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        async def kept_up() -> None:
            while True:
                try:
                    await work()
                except Exception:  # noqa: BLE001  # whatever it is must not end the exchange for good
                    _log.exception("live chat between servers fails, and begins anew", work=name)
                await asyncio.sleep(_PAUSE)

        self._tasks.append(asyncio.create_task(kept_up(), name=f"live exchange, {name}"))

    def _hear(self, announcement: str) -> None:
        if followed := self._live.followed():
            self.search(followed & self._announcer.understood(announcement))

    async def _look_around(self) -> None:
        """Fetches what was heard of, at once, and looks everywhere from time to time.

        What fails is left to the next look, which sees what this one would have.
        """
        now = asyncio.get_running_loop().time
        next_look = now()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(next_look):
                    await self._hearing.wait()
            self._hearing.clear()
            if self._is_look_due or now() >= next_look:
                self._is_look_due = False
                await self._attempt(self._look)
                next_look = now() + _LOOK
            await self._attempt(self._fetch_heard)

    async def _attempt(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StorageError as error:
            self._trouble.failed(error)
        except Exception:
            # What it stumbled over lies there for the next look too, so nobody would ever be given more.
            self._live.fail(StorageError("the store failed"))
            raise

    async def _look(self) -> None:
        """Finds out where there is something to fetch, which mostly is nowhere, and fetches it."""
        begun = asyncio.get_running_loop().time()
        for locations in _portions(self._live.followed(), _LOOKED_AT_ONCE):
            rows = await self._rows(statements.NEWS_AT, self._live.cursors(locations))
            await self._fetch_all(
                Point(latitude, longitude)
                for latitude, longitude, is_forgotten in rows
                if not is_forgotten or self.may_have_missed
            )
        self._looked_at = begun
        self._trouble.succeeded()

    async def _fetch_heard(self) -> None:
        heard, self._heard_of = self._heard_of, set()
        await self._fetch_all(heard)

    async def _fetch_all(self, locations: Iterable[Point]) -> None:
        for some in _portions(locations, max(1, _NOTES_READ // self._retention.per_location)):
            if cursors := self._live.cursors(some):
                await self._fetch(cursors)

    async def _fetch(self, cursors: Mapping[Point, int]) -> None:
        found: list[Stored] = []
        beginnings: dict[Point, int] = {}
        last: dict[Point, int] = {}
        forgotten: list[Point] = []
        rows = await self._rows(statements.NOTES_BEYOND, cursors, outdated(self._retention, self._clock()))
        for latitude, longitude, begins_after, last_number, number, message in rows:
            location = Point(latitude, longitude)
            if last_number is None:
                forgotten.append(location)
                continue
            beginnings[location], last[location] = begins_after, last_number
            if number is not None:
                found.append(Stored(number, RouteNote(location, message.decode())))
        if self.may_have_missed:
            self._live.miss(forgotten)
        self._live.begin_anew(beginnings, missed=self.may_have_missed)
        self._live.publish_found(found, last)

    async def _rows(
        self, statement: str, known: Mapping[Point, int], *further: object
    ) -> Sequence[asyncpg.Record]:
        """What `statement` finds beyond the `known` numbers."""
        latitudes = [location.latitude for location in known]
        longitudes = [location.longitude for location in known]
        async with self._connections.connection() as connection:
            return await connection.fetch(statement, latitudes, longitudes, list(known.values()), *further)


def outdated(retention: Retention, now: float) -> datetime | None:
    """Notes from before it are sent to nobody any more."""
    max_age = retention.max_age
    return datetime.fromtimestamp(now, UTC) - timedelta(seconds=max_age) if max_age else None


def _portions(locations: Iterable[Point], size: int) -> Iterator[Sequence[Point]]:
    """`locations` as they are now, so many at a time."""
    remaining = iter(list(locations))
    while portion := list(islice(remaining, size)):
        yield portion
