"""Live notes between processes that share a file.

SQLite tells nobody that somebody else has written, so while anything is followed the file is asked once a
second, which costs some microseconds as long as nobody has.

Asked is the connection that writes. Its units run one after the other and are heard of in that order, so by
the time that a look is dealt with, so is all that this process had stored before it. What a look finds beyond
what feeds have had is of other processes, and never a feed's own note.
"""

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import NamedTuple

import structlog

from routeguide.domain.models import Point, RouteNote
from routeguide.errors import StorageError, StorageUnavailable
from routeguide.storage.base import Retention
from routeguide.storage.feed import Stored
from routeguide.storage.live import LiveNotes
from routeguide.storage.sqlite import statements
from routeguide.storage.sqlite.connection import SqliteConnection
from routeguide.storage.trouble import Trouble

_LOOK = 1.0
"""Seconds between two looks."""

Row = tuple[int, int, int, int, str]
"""Latitude, longitude, number, milliseconds since 1970, message."""

_log = structlog.get_logger(__name__)


class View(NamedTuple):
    """How far the file had come at some moment."""

    newest: int
    """The number of the newest note."""
    version: int
    """Changes with every commit of other connections, and with none of the one that is asked."""


class Found(NamedTuple):
    """What was found at some locations."""

    rows: Sequence[Row]
    """In the order of storing; all of a location, or all beyond what its feeds have had."""
    oldest: int
    """The number of the oldest note in the file."""
    version: int
    """As in `View`."""


class FileWatch:
    """Hears of what other processes store. `start` it when there is a feed; `close` is idempotent."""

    def __init__(
        self,
        writer: SqliteConnection,
        live: LiveNotes,
        retention: Retention,
        clock: Callable[[], float],
        *,
        at_once: int,
    ) -> None:
        """
        Args:
            clock: seconds since 1970; tells the age of notes.
            at_once: locations that one unit looks at.
        """
        self._writer = writer
        self._live = live
        self._retention = retention
        self._clock = clock
        self._at_once = at_once
        self._seen = View(newest=0, version=-1)
        """Up to here, all that others stored where feeds follow has been told."""
        self._trouble = Trouble(
            "cannot read what other processes store", "reads again what other processes store"
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._look_around(), name="watch of the SQLite file")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def news(self, found: Found, locations: Collection[Point]) -> Iterator[Stored]:
        """What there may be of other processes among what was `found` at `locations`, to be published.

        Ends the feeds for which something may have been dropped before it was found.
        """
        if found.version == self._seen.version:
            return iter(())
        complete = _complete_from(found, locations, self._retention.per_location)
        beginnings = {at: number - 1 for at, number in complete.items() if number - 1 > self._seen.newest}
        self._live.begin_anew(beginnings, missed=True)
        return _stored(found, locations, outdated(self._retention, int(self._clock() * 1000)))

    async def _look_around(self) -> None:
        """Looks once at the beginning, whoever follows: from then on it knows whether others have written."""
        await self._look_safely()
        while True:
            await asyncio.sleep(_LOOK)
            if self._live.followed():
                await self._look_safely()

    async def _look_safely(self) -> None:
        """The next look sees what one that failed would have, unless it stumbles over the same."""
        try:
            await self._look()
        except StorageUnavailable as error:
            self._trouble.failed(error)
        except Exception:  # noqa: BLE001  # whatever it is must not end the watch for good
            _log.exception("a look at what other processes store has failed")
            self._live.fail(StorageError("the store failed"))
        else:
            self._trouble.succeeded()

    async def _look(self) -> None:
        view = await self._writer.run(_view)
        if view.version != self._seen.version:
            followed = tuple(self._live.followed())
            for start in range(0, len(followed), self._at_once):
                await self._fetch(followed[start : start + self._at_once])
        self._seen = view

    async def _fetch(self, locations: Collection[Point]) -> None:
        if cursors := self._live.cursors(locations):
            found = await self._writer.run(partial(_find_beyond, cursors=cursors))
            self._live.publish(self.news(found, cursors))


def outdated(retention: Retention, now: int) -> int | None:
    """Before when a note was stored that is no longer sent to anyone, in milliseconds as `now`, if any is."""
    return now - int(retention.max_age * 1000) if retention.max_age else None


def surroundings(connection: sqlite3.Connection) -> tuple[int, int]:
    """The number of the oldest note in the file, and the version of the file, as in `Found`."""
    return _single(connection, statements.OLDEST_NOTE), _single(connection, statements.DATA_VERSION)


def _view(connection: sqlite3.Connection) -> View:
    """The version last, so that a commit in between is taken for news, and not for seen."""
    newest = _single(connection, statements.NEWEST_NOTE)
    return View(newest, _single(connection, statements.DATA_VERSION))


def _find_beyond(connection: sqlite3.Connection, cursors: Mapping[Point, int]) -> Found:
    """The oldest note last: what is dropped in between is then told as missed, and not left out."""
    text = statements.notes_beyond(statements.padded_rows(len(cursors)))
    rows: list[Row] = connection.execute(text, statements.located_beyond(cursors)).fetchall()
    rows.sort(key=itemgetter(2))
    return Found(rows, *surroundings(connection))


def _complete_from(found: Found, locations: Collection[Point], per_location: int) -> Mapping[Point, int]:
    """For each location the number from which on all that was ever stored there is still there.

    Notes are dropped oldest first: at a location that is full, and in the whole file.
    """
    numbers: dict[tuple[int, int], list[int]] = defaultdict(list)
    for latitude, longitude, number, _, _ in found.rows:
        numbers[latitude, longitude].append(number)
    complete = {}
    for location in locations:
        here = numbers[location.latitude, location.longitude]
        complete[location] = here[0] if len(here) >= per_location else found.oldest
    return complete


def _stored(found: Found, locations: Collection[Point], oldest: int | None) -> Iterator[Stored]:
    places = {(location.latitude, location.longitude): location for location in locations}
    for latitude, longitude, number, stored_at, message in found.rows:
        location = places.get((latitude, longitude))
        if location is not None and (oldest is None or stored_at >= oldest):
            yield Stored(number, RouteNote(location, message))


def _single(connection: sqlite3.Connection, statement: str) -> int:
    return int(connection.execute(statement).fetchall()[0][0])
