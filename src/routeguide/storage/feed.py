"""What one live stream has been given, and what waits for it.

A feed is told what is stored where it has posted, by whom and however often, and lets pass only what comes
after the last that it has dealt with there. Nothing here awaits but callers.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
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


class Feed(LiveFeed):
    """What one stream has been given, and what waits for it."""

    def __init__(
        self, post: Post, forget: Callable[["Feed", Iterable[Point]], object], *, buffer: int
    ) -> None:
        """
        Args:
            post: stores a note, and has told this feed of it when it returns.
            forget: called once, with the locations that it followed, when the feed ends.
            buffer: notes that may wait when more come.
        """
        self._post = post
        self._forget = forget
        self._buffer = buffer
        self._cursors: dict[Point, int] = {}
        """For each followed location the number of the last note that was given out, or is its own."""
        self._waiting: deque[RouteNote] = deque()
        self._reply: Sequence[RouteNote] = ()
        self._is_full = False
        """More waited, after the last that was taken in, than one who reads may leave waiting."""
        self._posting_at: Point | None = None
        self._left_aside = False
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
            self._take_in(stored.note)

    def begin_anew(self, location: Point, number: int, *, missed: bool) -> None:
        """Takes note that what is stored at a followed location is numbered from after `number`."""
        if self._cursors[location] >= number:
            return
        if missed:
            self.fail(NotesMissed())
        else:
            self._cursors[location] = number

    def settle(self, stored: Stored) -> bool:
        """Takes note that its own note is stored: what waits now is what `post` returns.

        Returns whether it was told meanwhile of what was found at that location.
        """
        first = stored.note.location not in self._cursors
        self._cursors[stored.note.location] = stored.number
        self._reply = (*self._drained(), *(stored.earlier if first else ()))
        left_aside, self._left_aside = self._left_aside, False
        return left_aside

    def catch_up(self, location: Point, stored: Iterable[Stored], last: int) -> None:
        """Takes in what was found at a followed location, of which `last` is the latest number."""
        if self._posting_at == location:
            # Its own note may be among them, and brings what is before it along once it is known.
            self._left_aside = True
            return
        for each in stored:
            self.offer(each, dense=True)
        if self._failure is None and self._cursors[location] < last:
            self.fail(NotesMissed())

    def bound(self) -> None:
        """Called after all that is told at once, whose number says nothing about how quickly somebody reads.

        Only who finds the buffer full when the next comes has not read.
        """
        self._is_full = len(self._waiting) >= self._buffer

    def fail(self, error: RouteGuideError) -> None:
        """Ends the feed; the first error counts."""
        if self._failure is not None:
            return
        self._failure = error
        self._forget(self, self._cursors)
        self._waiting.clear()
        self._ready.set()

    def _take_in(self, note: RouteNote) -> None:
        if self._is_full:
            self.fail(FellBehind(len(self._waiting) + 1))
            return
        self._waiting.append(note)
        self._ready.set()

    def _drained(self) -> Sequence[RouteNote]:
        drained = tuple(self._waiting)
        self._is_full = False
        self._waiting.clear()
        self._ready.clear()
        return drained

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
