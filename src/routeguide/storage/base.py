"""The contract that every storage backend keeps, and that one suite in `tests/contract` checks.

**Errors.** Backends raise the `StorageError` family and nothing of their driver: `StorageUnavailable`
where the same call may succeed later, `StorageFull` where there is no room, `StorageClosed` after
`Storage.close`. Driver errors are translated once, at the lowest edge, by code, never by text.

**Cancellation.** A caller may be cancelled at any await. Nothing is left open or half done; whether a
note whose `post` was cancelled is stored is not promised.

**Concurrency.** All methods may be called at the same time from any number of tasks of one event loop.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass

from routeguide.domain.models import Feature, Point, Rectangle, RouteNote


@dataclass(frozen=True, slots=True)
class Retention:
    """How many notes are kept, and for how long. Always the newest are."""

    per_location: int = 100
    """Notes that a location keeps; with it the size of every reply is bounded."""
    total: int = 1_000_000
    """Notes that the store keeps in all; with it the size of the store is bounded."""
    max_age: float = 0.0
    """Seconds after which a note is no longer sent to anyone; 0 keeps notes for ever."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did with each feature that it was given."""

    added: int = 0
    renamed: int = 0
    unchanged: int = 0

    @property
    def total(self) -> int:
        return self.added + self.renamed + self.unchanged


class FeatureRepository(ABC):
    """The features, of which there is at most one at a location."""

    @abstractmethod
    async def find(self, location: Point) -> Feature | None:
        """The feature at exactly `location`, or None."""

    @abstractmethod
    async def count_at(self, locations: Sequence[Point]) -> int:
        """How many of `locations` lie exactly on a feature, each counted as often as it occurs."""

    @abstractmethod
    def within(self, rectangle: Rectangle) -> AsyncGenerator[Sequence[Feature], None]:
        """Pages of the features inside `rectangle`, bounds inclusive, in the order of their import.

        Pages are never empty and hold at most some hundreds of features, so that a slow consumer
        costs little memory and holds no lock and no transaction between pages. Of what is imported
        meanwhile the later pages may show all, some or nothing. Close the generator (`contextlib.aclosing`).
        """

    @abstractmethod
    async def count(self) -> int:
        """How many features there are."""

    @abstractmethod
    async def import_all(self, features: Iterable[Feature], *, into_empty: bool = False) -> ImportResult:
        """Adds every feature, in order, or none: an exception from the iterable undoes everything.

        Idempotent by location: a feature at a location that already has one gives it its name and
        keeps its place in the order; within `features` the last one at a location wins. The
        iterable may be far larger than memory. Readers go on meanwhile: each call, and each page of a
        listing, sees all of it or nothing. A listing that is under way may go on with what was imported.

        Args:
            into_empty: does nothing where there are features once its turn has come, whoever imported them
                meanwhile, and returns `ImportResult()`; `features` may then have been read or not.
        """


class NoteRepository(ABC):
    """The notes that were left at locations."""

    @abstractmethod
    async def post(self, note: RouteNote) -> Sequence[RouteNote]:
        """Stores `note` and returns every kept note that was stored at its location before it.

        The earlier notes come in the order in which they were stored, at most as many as a location
        keeps. Of any two notes at a location exactly one is among those that the other's writer is
        given, whatever tasks, processes or servers write them. On a durable backend the note
        survives kill −9 and power loss once this returns.
        """

    @abstractmethod
    async def count(self) -> int:
        """How many notes are kept."""

    @abstractmethod
    def follow(self, *, buffer: int) -> "LiveFeed":
        """A feed through which one live stream posts and hears; close it.

        Args:
            buffer: notes of others that may wait to be taken when more come; any number may come at once.

        Raises:
            StorageClosed
        """


class LiveFeed(ABC):
    """One live stream's notes: its own go out through it, those of others come in.

    Every note that others store at a location where this feed has posted is given out exactly once, in
    the order in which they were stored there, by `post` or by `take`. Its own notes are never given out. It
    follows a location from its first note there on.

    After any error the feed gives out nothing more. Besides the errors of the store there are `FellBehind`,
    when notes come while the buffer is full, and `NotesMissed`, when retention may have dropped notes
    before they could be given out: what cannot be given out is told, never left out in silence.
    """

    @abstractmethod
    async def post(self, note: RouteNote) -> Sequence[RouteNote]:
        """Stores `note`; returns what waits to be given out, and then what this feed lacks of the past.

        For the first note at a location that is every kept note there; later ones find it given out but
        for what arrived since. One call at a time; a feed whose `post` was cancelled can only be closed.
        """

    @abstractmethod
    async def ready(self) -> None:
        """Returns when `take` has something to give or to raise. Safe to cancel: it takes nothing."""

    @abstractmethod
    def take(self) -> Sequence[RouteNote]:
        """What waits to be given out, in order; perhaps nothing."""

    @abstractmethod
    def close(self) -> None:
        """Stops following; idempotent."""


class Storage(ABC):
    """An open store. Whoever opens it closes it, after the last call has returned."""

    features: FeatureRepository
    notes: NoteRepository

    @abstractmethod
    async def check(self) -> None:
        """Returns when the store answers and can be written to; raises `StorageUnavailable` when not."""

    @abstractmethod
    async def close(self) -> None:
        """Lets what is under way finish, frees everything; idempotent.

        Every later call, and every call still waiting for its turn, raises `StorageClosed`.
        """
