"""Notes in PostgreSQL, committed in groups.

All notes that arrive while one commit is under way go into the next: one round trip and one commit for many.
The function `post_notes` of the database takes a lock for each of their locations before it looks at what is
stored there. So of any two notes at a location, whichever servers write them, exactly one transaction sees
the other's; and writers at different locations do not wait for each other.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import asyncpg

from routeguide.domain.models import Point, RouteNote
from routeguide.storage.base import LiveFeed, NoteRepository, Retention
from routeguide.storage.coalescing import Coalescer
from routeguide.storage.feed import Posting, Stored
from routeguide.storage.live import LiveNotes
from routeguide.storage.postgres import statements
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.live import LiveExchange

_BATCH = 128
"""Notes in one transaction, where a location keeps few."""

_BATCH_READ = 16_384
"""Earlier notes that one transaction may have to read; it bounds memory where a location keeps many."""


class _Here(NamedTuple):
    """What lay at a location before a group of notes was stored there."""

    numbers: Sequence[int]
    """Of the kept notes, rising; dense, but for those that were dropped."""
    notes: Sequence[RouteNote]
    last_number: int
    """The last number given so far; those of the new notes follow it."""


class PostgresNoteRepository(NoteRepository):
    """Sends one group at a time: what a process stores at a location keeps the order in which it came."""

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
        max_batch = max(1, min(_BATCH, _BATCH_READ // retention.per_location))
        self._poster: Coalescer[Posting, Sequence[RouteNote]] = Coalescer(self._post_all, max_batch=max_batch)
        self._live = live
        self._exchange = exchange

    async def post(self, note: RouteNote) -> Sequence[RouteNote]:
        return await self._poster.submit(Posting(note))

    def follow(self, *, buffer: int) -> LiveFeed:
        return self._live.open_feed(self._poster.submit, buffer=buffer)

    async def count(self) -> int:
        async with self._connections.connection() as connection:
            return int(await connection.fetchval(statements.COUNT_NOTES))

    async def close(self) -> None:
        """Refuses whoever waits and ends the feeds; the connections belong to whoever opened them."""
        await self._poster.close()
        self._live.close()

    async def _post_all(self, postings: Sequence[Posting]) -> Sequence[Sequence[RouteNote]]:
        notes = [posting.note for posting in postings]
        before = await self._store(notes)
        replies = _replies(notes, before, self._retention.per_location)
        if concerned := self._live.concerned(postings):
            self._live.publish(_stored(postings, before, replies, concerned))
        if self._exchange is not None:
            self._exchange.announce(before)
        return replies

    async def _store(self, notes: Sequence[RouteNote]) -> dict[Point, _Here]:
        """Stores `notes` in their order; tells what was kept at each of their locations."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        max_age = self._retention.max_age
        async with self._connections.connection() as connection:
            rows = await connection.fetch(
                statements.POST_NOTES,
                [note.location.latitude for note in notes],
                [note.location.longitude for note in notes],
                [note.message.encode() for note in notes],
                now,
                now - timedelta(seconds=max_age) if max_age else None,
                self._retention.per_location,
                self._retention.total,
            )
        return dict(map(_here, rows))


def _here(row: asyncpg.Record) -> tuple[Point, _Here]:
    latitude, longitude, last_number, numbers, messages = row
    location = Point(latitude, longitude)
    notes = [RouteNote(location, message.decode()) for message in messages]
    return location, _Here(numbers, notes, last_number)


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
