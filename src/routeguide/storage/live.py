"""Live feeds over any backend: who follows which location, and what each feed has yet to be given.

A backend tells what it has stored, location by location in the order of storing (`LiveNotes.publish`), and
may tell the same again: every feed remembers the number of the last note that it has dealt with at each
of its locations, and lets pass only what comes after it. Nothing here awaits but callers, so whatever is told
is dealt with as a whole.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from routeguide.domain.models import Point, RouteNote
from routeguide.errors import FellBehind, NotesMissed, RouteGuideError, StorageClosed
from routeguide.storage.base import LiveFeed


class Posting(NamedTuple):
    """A note on its way into the store."""

    note: RouteNote
    feed: "Feed | None" = None
    """The live feed that posts it, if one does."""


class Stored(NamedTuple):
    """A note that is stored, durably where the backend is durable."""

    number: int
    """Rises at the note's location in the order of storing."""
    note: RouteNote
    feed: "Feed | None" = None
    """The feed that posted it; None if none did, or if that is not known."""
    earlier: Sequence[RouteNote] = ()
    """What was kept at its location before it; matters only beside `feed`."""


Post = Callable[[Posting], Awaitable[object]]


class LiveNotes:
    """The feeds of one open store."""

    def __init__(self, *, dense: bool = False) -> None:
        """
        Args:
            dense: numbers at a location rise by one, so that a missing note shows.
        """
        self._dense = dense
        self._feeds: set[Feed] = set()
        self._followers: dict[Point, set[Feed]] = {}
        self._closed = False

    def open_feed(self, post: Post, *, buffer: int) -> "Feed":
        """A feed that posts through `post`, which must publish before it returns.

        Raises:
            StorageClosed
        """
        if self._closed:
            raise StorageClosed("the store is closed")
        feed = Feed(self, post, buffer)
        self._feeds.add(feed)
        return feed

    def concerned(self, postings: Iterable[Posting]) -> set[Point]:
        """The locations of `postings` of which `publish` is to be told, when they are stored."""
        if not self._feeds:
            return set()
        return {
            note.location for note, feed in postings if feed is not None or note.location in self._followers
        }

    def followed(self) -> AbstractSet[Point]:
        """The locations where feeds have posted."""
        return self._followers.keys()

    def cursors(self, locations: Iterable[Point]) -> Mapping[Point, int]:
        """Those of `locations` that are followed, each with the number after which some feed lacks notes."""
        return {
            location: min(feed.cursor(location) for feed in feeds)
            for location in locations
            if (feeds := self._followers.get(location))
        }

    def publish(self, stored: Iterable[Stored]) -> None:
        """Gives each feed what it follows and lacks of `stored`, which rises in number at each location."""
        touched: set[Feed] = set()
        for each in stored:
            followers = self._followers.get(each.note.location, ())
            for feed in tuple(followers):
                feed.offer(each, dense=self._dense)
            touched.update(followers)
            if each.feed in self._feeds:
                each.feed.settle(each)
                self._followers.setdefault(each.note.location, set()).add(each.feed)
        for feed in touched:
            feed.bound()

    def publish_found(self, stored: Iterable[Stored], last: Mapping[Point, int]) -> None:
        """As `publish`, for notes that were found in the table, where nobody knows whose they are.

        Args:
            last: the number of the last note ever stored at each location that was searched.
        """
        found: dict[Point, list[Stored]] = {}
        for each in stored:
            found.setdefault(each.note.location, []).append(each)
        for location, number in last.items():
            for feed in tuple(self._followers.get(location, ())):
                feed.catch_up(location, found.get(location, ()), number)

    def forget(self, feed: "Feed", locations: Iterable[Point]) -> None:
        """Called by a feed that ends."""
        self._feeds.discard(feed)
        for location in locations:
            followers = self._followers.get(location)
            if followers is not None:
                followers.discard(feed)
                if not followers:
                    del self._followers[location]

    def close(self) -> None:
        """Ends every feed with StorageClosed; idempotent."""
        self._closed = True
        for feed in tuple(self._feeds):
            feed.fail(StorageClosed("the store is closed"))


class Feed(LiveFeed):
    """What one stream has been given, and what waits for it."""

    def __init__(self, live: LiveNotes, post: Post, buffer: int) -> None:
        self._live = live
        self._post = post
        self._buffer = buffer
        self._cursors: dict[Point, int] = {}
        """For each followed location the number of the last note that was given out, or is its own."""
        self._waiting: deque[RouteNote] = deque()
        self._reply: Sequence[RouteNote] = ()
        self._posting_at: Point | None = None
        self._failure: RouteGuideError | None = None
        self._ready = asyncio.Event()

    async def post(self, note: RouteNote) -> Sequence[RouteNote]:
        self._check()
        self._posting_at = note.location
        try:
            await self._post(Posting(note, self))
        except RouteGuideError as error:
            # Perhaps it was stored all the same: then it would be found, and taken for somebody else's.
            self.fail(error)
            raise
        self._posting_at = None
        self._check()
        return self._reply

    async def ready(self) -> None:
        await self._ready.wait()

    def take(self) -> Sequence[RouteNote]:
        self._check()
        return self._drained()

    def close(self) -> None:
        self.fail(StorageClosed("the feed is closed"))

    def cursor(self, location: Point) -> int:
        """The number after which this feed lacks what is stored at a location that it follows."""
        return self._cursors[location]

    def offer(self, stored: Stored, *, dense: bool) -> None:
        """Takes in a note at a followed location, unless it was dealt with before."""
        location = stored.note.location
        cursor = self._cursors.get(location)
        if self._failure is not None or cursor is None or stored.number <= cursor:
            return
        if dense and stored.number > cursor + 1:
            self.fail(NotesMissed())
            return
        self._cursors[location] = stored.number
        if stored.feed is not self:
            self._waiting.append(stored.note)
            self._ready.set()

    def settle(self, stored: Stored) -> None:
        """Takes note that its own note is stored: what waits now is what `post` returns."""
        first = stored.note.location not in self._cursors
        self._cursors[stored.note.location] = stored.number
        self._reply = (*self._drained(), *(stored.earlier if first else ()))

    def catch_up(self, location: Point, stored: Iterable[Stored], last: int) -> None:
        """Takes in what was found at a followed location, of which `last` is the latest number."""
        if self._posting_at == location:
            return  # its own note may be among them, and brings what is before it along once it is known
        for each in stored:
            self.offer(each, dense=True)
        self.bound()
        cursor = self._cursors[location]
        if self._failure is None and cursor < last:
            self.fail(NotesMissed())

    def bound(self) -> None:
        """Gives up on a reader for whom more waits than the buffer holds, and frees what waited."""
        if len(self._waiting) > self._buffer:
            self.fail(FellBehind(len(self._waiting)))

    def fail(self, error: RouteGuideError) -> None:
        """Ends the feed; the first error counts."""
        if self._failure is not None:
            return
        self._failure = error
        self._live.forget(self, self._cursors)
        self._waiting.clear()
        self._ready.set()

    def _drained(self) -> Sequence[RouteNote]:
        drained = tuple(self._waiting)
        self._waiting.clear()
        self._ready.clear()
        return drained

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
