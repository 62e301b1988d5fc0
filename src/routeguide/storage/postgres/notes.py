"""Notes in PostgreSQL, committed in groups.

Locations are shared out among a few posters. All notes that arrive while one of them commits go into its next
group: one round trip and one commit for many. The function `post_notes` of the database takes a lock for each
location of a group before it looks at what is stored there. So of any two notes at a location, whichever
servers write them, exactly one transaction sees the other's. Writers at different locations do not wait for
each other, but for those of one server whose locations share a poster.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg
import structlog

from routeguide.domain.models import Point, RouteNote
from routeguide.errors import StorageError
from routeguide.storage.base import LiveFeed, NoteRepository, Retention
from routeguide.storage.coalescing import Coalescer
from routeguide.storage.feed import Posting, Stored
from routeguide.storage.live import LiveNotes
from routeguide.storage.postgres import statements
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.live import LiveExchange, outdated

_POSTERS = 4
"""Groups under way at the same time. A location that somebody holds stops the notes of one poster only."""

_BATCH = 128
"""Notes in one transaction, where a location keeps few."""

_BATCH_READ = 8192
"""Earlier notes that one transaction may have to read; it bounds memory where a location keeps many."""

_DROPPERS = 1_000_000
"""Groups that one statement may drop old notes for: as many as wait for it."""

_log = structlog.get_logger(__name__)


class _Here(NamedTuple):
    """What lay at a location before a group of notes was stored there."""

    numbers: Sequence[int]
    """Of the kept notes, rising; dense, but for those that were dropped."""
    notes: Sequence[RouteNote]
    begins_after: int
    """The number that the first note here ever followed, or the first since the location was forgotten."""
    last_number: int
    """The last number given so far; those of the new notes follow it."""


class PostgresNoteRepository(NoteRepository):
    """Sends few groups at a time, a location always with the same poster: its notes keep their order.

    The limit of all notes holds once everything that one process was given is answered; while several
    processes write, what they have under way comes on top.
    """

    def __init__(
        self,
        connections: Connections,
        retention: Retention,
        clock: Callable[[], float],
        live: LiveNotes,
        exchange: LiveExchange | None,
    ) -> None:
        self._connections = connections
        self._retention = retention
        self._clock = clock
        self._max_batch = max(1, min(_BATCH, _BATCH_READ // retention.per_location))
        self._posters: Sequence[Coalescer[Posting, Sequence[RouteNote]]] = [
            Coalescer(self._post_all, max_batch=self._max_batch) for _ in range(_POSTERS)
        ]
        self._dropper: Coalescer[None, None] = Coalescer(self._drop_oldest, max_batch=_DROPPERS)
        self._live = live
        self._exchange = exchange

    async def post(self, note: RouteNote) -> Sequence[RouteNote]:
        return await self._submit(Posting(note))

    def follow(self, *, buffer: int) -> LiveFeed:
        return self._live.open_feed(self._submit, buffer=buffer)

    async def count(self) -> int:
        async with self._connections.connection() as connection:
            return int(await connection.fetchval(statements.COUNT_NOTES))

    async def close(self) -> None:
        """Refuses whoever waits and ends the feeds; the connections belong to whoever opened them."""
        await asyncio.gather(*(poster.close() for poster in self._posters))
        await self._dropper.close()
        self._live.close()

    async def _submit(self, posting: Posting) -> Sequence[RouteNote]:
        return await self._posters[hash(posting.note.location) % _POSTERS].submit(posting)

    async def _post_all(self, postings: Sequence[Posting]) -> Sequence[Sequence[RouteNote]]:
        notes = [posting.note for posting in postings]
        rows = await self._store(notes)
        if self._may_keep_too_much(rows[0]["kept_in_all"]):
            await self._dropped_oldest()
        before = dict(map(_here, rows))
        replies = _replies(notes, before, self._retention.per_location)
        # Nothing is awaited from here on: what is told of a location stays in the order of its commits.
        if concerned := self._live.concerned(postings):
            self._publish(_stored(postings, before, replies, concerned), before, concerned)
        if self._exchange is not None:
            self._exchange.announce(before)
        return replies

    def _publish(
        self, stored: Iterable[Stored], before: Mapping[Point, _Here], concerned: Collection[Point]
    ) -> None:
        beginnings = {location: before[location].begins_after for location in concerned}
        missed = self._exchange is None or self._exchange.may_have_missed
        self._live.begin_anew(beginnings, missed=missed)
        again = self._live.publish(stored)
        if self._exchange is not None:
            self._exchange.search(again)

    async def _store(self, notes: Sequence[RouteNote]) -> Sequence[asyncpg.Record]:
        """Stores `notes` in their order; tells what was kept at each of their locations."""
        now = self._clock()
        async with self._connections.connection() as connection:
            return await connection.fetch(
                statements.POST_NOTES,
                [note.location.latitude for note in notes],
                [note.location.longitude for note in notes],
                [note.message.encode() for note in notes],
                datetime.fromtimestamp(now, UTC),
                outdated(self._retention, now),
                self._retention.per_location,
            )

    def _may_keep_too_much(self, kept_before: int) -> bool:
        """A group does not see those that other posters have under way, so all of these are allowed for."""
        under_way = _POSTERS * self._max_batch
        return bool(self._retention.max_age) or kept_before + under_way > self._retention.total

    async def _dropped_oldest(self) -> None:
        """Returns when old notes have been dropped by a statement that saw all that was stored before."""
        try:
            await self._dropper.submit(None)
        except StorageError as error:  # the notes of the group are stored, and the next one drops more
            _log.warning("old notes are kept for longer", error=repr(error.__cause__ or error))

    async def _drop_oldest(self, groups: Sequence[None]) -> Sequence[None]:
        async with self._connections.connection() as connection:
            oldest = outdated(self._retention, self._clock())
            await connection.execute(statements.DROP_OLDEST_NOTES, self._retention.total, oldest)
        return groups


def _here(row: asyncpg.Record) -> tuple[Point, _Here]:
    latitude, longitude, begins_after, last_number, numbers, messages, _ = row
    location = Point(latitude, longitude)
    notes = [RouteNote(location, message.decode()) for message in messages]
    return location, _Here(numbers, notes, begins_after, last_number)


def _replies(
    notes: Sequence[RouteNote], before: Mapping[Point, _Here], per_location: int
) -> Sequence[Sequence[RouteNote]]:
    """For each of `notes`, what was stored at its location before it, earlier ones of `notes` included."""
    earlier = {location: deque(here.notes, maxlen=per_location) for location, here in before.items()}
    replies = []
    for note in notes:
        replies.append(tuple(earlier[note.location]))
        earlier[note.location].append(note)
    return replies


def _stored(
    postings: Sequence[Posting],
    before: Mapping[Point, _Here],
    replies: Sequence[Sequence[RouteNote]],
    concerned: Collection[Point],
) -> Iterator[Stored]:
    """What lies at the `concerned` locations; older notes too, for other servers may have left them."""
    last_numbers: dict[Point, int] = {}
    for location in concerned:
        here = before[location]
        last_numbers[location] = here.last_number
        yield from map(Stored, here.numbers, here.notes)
    for posting, earlier in zip(postings, replies, strict=True):
        location = posting.note.location
        if location in concerned:
            last_numbers[location] += 1
            yield Stored(last_numbers[location], *posting, earlier)
