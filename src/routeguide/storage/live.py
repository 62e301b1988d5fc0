"""Live feeds over any backend: who follows which location, and what each feed has yet to be given.

A backend tells what it has stored, location by location in the order of storing (`LiveNotes.publish`), and
may tell the same again: every feed remembers the number of the last note that it has dealt with at each
of its locations, and lets pass only what comes after it. Nothing here awaits but callers, so whatever is told
is dealt with as a whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from routeguide.domain.models import Point
from routeguide.errors import NotesMissed, RouteGuideError, StorageClosed
from routeguide.storage.feed import Feed, Post, Posting, Stored


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

    def open_feed(self, post: Post, *, buffer: int) -> Feed:
        """A feed that posts through `post`, which must publish before it returns.

        Raises:
            StorageClosed
        """
        if self._closed:
            raise StorageClosed("the store is closed")
        feed = Feed(post, self._forget, buffer=buffer)
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

    def publish(self, stored: Iterable[Stored]) -> AbstractSet[Point]:
        """Gives each feed what it follows and lacks of `stored`, which rises in number at each location.

        Returns the locations that have to be searched again: while its own note was under way there, a feed
        left aside what `publish_found` told, some of which may be later than that note.
        """
        again: set[Point] = set()
        touched: set[Feed] = set()
        for location, notes in _by_location(stored).items():
            for each in self._lacking(location, notes):
                followers = self._followers.get(location, ())
                for feed in tuple(followers):
                    feed.offer(each, dense=self._dense)
                touched.update(followers)
                if each.feed in self._feeds:
                    if each.feed.settle(each):
                        again.add(location)
                    self._followers.setdefault(location, set()).add(each.feed)
        _bound(touched)
        return again

    def publish_found(self, stored: Iterable[Stored], last: Mapping[Point, int]) -> None:
        """As `publish`, for notes that were found in the table, where nobody knows whose they are.

        Args:
            last: the number of the last note ever stored at each location that was searched.
        """
        found = _by_location(stored)
        touched: set[Feed] = set()
        for location, number in last.items():
            followers = tuple(self._followers.get(location, ()))
            for feed in followers:
                feed.catch_up(location, found.get(location, ()), number)
            touched.update(followers)
        _bound(touched)

    def begin_anew(self, beginnings: Mapping[Point, int], *, missed: bool) -> None:
        """Tells where notes are numbered from, before they are published: what follows a number given here.

        A location that lost all its notes may be forgotten, and begins anew above every number that it had.

        Args:
            missed: a feed that has not come up to that number may have missed notes from before it.
        """
        for location, number in beginnings.items():
            for feed in tuple(self._followers.get(location, ())):
                feed.begin_anew(location, number, missed=missed)

    def miss(self, locations: Iterable[Point]) -> None:
        """Ends whoever follows one of `locations`: notes there may have been dropped before it was told."""
        for feed in {feed for each in locations for feed in self._followers.get(each, ())}:
            feed.fail(NotesMissed())

    def fail(self, error: RouteGuideError) -> None:
        """Ends every feed."""
        for feed in tuple(self._feeds):
            feed.fail(error)

    def _forget(self, feed: Feed, locations: Iterable[Point]) -> None:
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
        self.fail(StorageClosed("the store is closed"))

    def _lacking(self, location: Point, notes: Sequence[Stored]) -> Sequence[Stored]:
        """Those of `notes` that may be news to a feed, which of the many that a location keeps are few."""
        cursor = self.cursors([location]).get(location, 0)
        return [each for each in notes if each.number > cursor or each.feed is not None]


def _by_location(stored: Iterable[Stored]) -> Mapping[Point, Sequence[Stored]]:
    by_location: dict[Point, list[Stored]] = {}
    for each in stored:
        by_location.setdefault(each.note.location, []).append(each)
    return by_location


def _bound(feeds: Iterable[Feed]) -> None:
    for feed in feeds:
        feed.bound()
