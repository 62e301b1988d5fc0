"""Notes in SQLite, committed in groups.

All notes that arrive while one commit is under way go into the next: one crossing, one transaction and
one fsync for many. `BEGIN IMMEDIATE` takes SQLite's single write lock before anything is read, so that of
any two notes, whichever processes write them, exactly one transaction sees the other's.
"""

import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from routeguide.domain.models import Point, RouteNote
from routeguide.storage.base import LiveFeed, NoteRepository, Retention
from routeguide.storage.coalescing import Coalescer
from routeguide.storage.feed import Posting, Stored
from routeguide.storage.live import LiveNotes
from routeguide.storage.sqlite import statements
from routeguide.storage.sqlite.connection import SqliteConnection, transaction
from routeguide.storage.sqlite.live import FileWatch, Found, Row, outdated, surroundings

_BATCH = 64
"""Notes in one transaction, where a location keeps few."""

_BATCH_READ = 16_384
"""Earlier notes that one transaction may have to read; it bounds memory where a location keeps many."""

_HOUSEKEEPING = 256
"""Old notes that one transaction drops beyond those at the locations that it writes to."""

_Coordinates = tuple[int, int]


class _Committed(NamedTuple):
    """What one transaction found and stored."""

    before: Found
    """The notes that were there before."""
    first: int
    """The number of the first note that was stored; the others follow it without a gap."""
    replies: Sequence[Sequence[RouteNote]]


class SqliteNoteRepository(NoteRepository):
    """Writes through one connection, and counts through another."""

    def __init__(
        self,
        writer: SqliteConnection,
        reader: SqliteConnection,
        retention: Retention,
        clock: Callable[[], float],
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._retention = retention
        self._clock = clock
        max_batch = max(1, min(_BATCH, _BATCH_READ // retention.per_location))
        self._poster: Coalescer[Posting, Sequence[RouteNote]] = Coalescer(self._post_all, max_batch=max_batch)
        self._live = LiveNotes()
        self._watch = FileWatch(writer, self._live, retention, clock, at_once=max_batch)

    async def post(self, note: RouteNote) -> Sequence[RouteNote]:
        return await self._poster.submit(Posting(note))

    def follow(self, *, buffer: int) -> LiveFeed:
        feed = self._live.open_feed(self._poster.submit, buffer=buffer)
        self._watch.start()
        return feed

    async def count(self) -> int:
        return await self._reader.run(_count)

    async def close(self) -> None:
        """Refuses whoever waits and ends the feeds; the connections belong to whoever opened them."""
        await self._poster.close()
        self._live.close()
        await self._watch.close()  # last: until now there could be a first feed to start it

    async def _post_all(self, postings: Sequence[Posting]) -> Sequence[Sequence[RouteNote]]:
        notes = [posting.note for posting in postings]
        unit = partial(_post_all, notes=notes, retention=self._retention, clock=self._clock)
        committed = await self._writer.run(unit)
        if concerned := self._live.concerned(postings):
            others = self._watch.news(committed.before, concerned)
            self._live.publish(chain(others, _stored(committed, postings, concerned)))
        return committed.replies


def _post_all(
    connection: sqlite3.Connection,
    notes: Sequence[RouteNote],
    retention: Retention,
    clock: Callable[[], float],
) -> _Committed:
    with transaction(connection):
        now = int(clock() * 1000)
        oldest = outdated(retention, now)
        rows = _stored_at(connection, {note.location: None for note in notes})
        before = Found(rows, *surroundings(connection))
        first = _insert(connection, notes, now)
        _drop_old(connection, _crowded(rows, notes, retention), retention, oldest)
    return _Committed(before, first, _replies(notes, rows, retention, oldest))


def _stored(
    committed: _Committed, postings: Sequence[Posting], concerned: Collection[Point]
) -> Iterator[Stored]:
    """What `postings` brought to the `concerned` locations."""
    for number, (posting, earlier) in enumerate(
        zip(postings, committed.replies, strict=True), committed.first
    ):
        if posting.note.location in concerned:
            yield Stored(number, *posting, earlier)


def _stored_at(connection: sqlite3.Connection, locations: Collection[Point]) -> Sequence[Row]:
    """What is stored at `locations`, in the order of storing."""
    text = statements.notes_at(statements.padded_rows(len(locations)))
    rows: list[Row] = connection.execute(text, statements.located(locations)).fetchall()
    rows.sort(key=itemgetter(2))
    return rows


def _insert(connection: sqlite3.Connection, notes: Sequence[RouteNote], now: int) -> int:
    """The number of the first of `notes`. They get consecutive ones: the newest note is never dropped."""
    values = [
        value
        for note in notes
        for value in (note.location.latitude, note.location.longitude, note.message, now)
    ]
    last = connection.execute(statements.insert_notes(len(notes)), values).lastrowid
    assert last is not None  # noqa: S101  # an INSERT has one; tells mypy so
    return last - len(notes) + 1


def _replies(
    notes: Sequence[RouteNote], rows: Sequence[Row], retention: Retention, oldest: int | None
) -> Sequence[Sequence[RouteNote]]:
    """For each of `notes`, what was stored at its location before it, earlier ones of `notes` included."""
    earlier: dict[Point, deque[RouteNote]] = {
        note.location: deque(maxlen=retention.per_location) for note in notes
    }
    # Making a Point for every row would cost more than reading the rows.
    locations = {(location.latitude, location.longitude): location for location in earlier}
    for latitude, longitude, _, stored_at, message in rows:
        if oldest is None or stored_at >= oldest:
            location = locations[latitude, longitude]
            earlier[location].append(RouteNote(location, message))
    replies = []
    for note in notes:
        replies.append(tuple(earlier[note.location]))
        earlier[note.location].append(note)
    return replies


def _crowded(rows: Sequence[Row], notes: Sequence[RouteNote], retention: Retention) -> Sequence[_Coordinates]:
    """The locations that now have more notes than they keep."""
    counts = Counter((row[0], row[1]) for row in rows)
    counts.update((note.location.latitude, note.location.longitude) for note in notes)
    return [coordinates for coordinates, count in counts.items() if count > retention.per_location]


def _drop_old(
    connection: sqlite3.Connection, crowded: Sequence[_Coordinates], retention: Retention, oldest: int | None
) -> None:
    for coordinates in crowded:
        connection.execute(statements.DROP_OLD_AT, (*coordinates, *coordinates, retention.per_location))
    if oldest is not None:
        connection.execute(statements.DROP_EXPIRED, (_HOUSEKEEPING, oldest))
    excess = _count(connection) - retention.total
    if excess > 0:
        connection.execute(statements.DROP_OLDEST, (min(excess, _HOUSEKEEPING),))


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute(statements.COUNT_NOTES).fetchall()[0][0])
