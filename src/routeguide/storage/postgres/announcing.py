"""Tells the other servers at which locations something was stored.

NOTIFY stands in a statement of its own. Within a commit that stores notes it would hold a lock of the whole
cluster until that commit is durable, and line up the commits of all servers behind one another.
"""

import asyncio
import uuid
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import NoReturn

from routeguide.domain.models import Point
from routeguide.errors import InvalidInput, StorageError
from routeguide.storage.postgres import statements
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.listening import CHANNEL
from routeguide.storage.trouble import Trouble

_GATHER = 0.01
"""Seconds in which locations gather for the next announcement; it wakes all servers, so there are few."""

_ANNOUNCED_AT_ONCE = 300
"""Locations in one announcement; PostgreSQL takes 8000 bytes, and each has 23 at most."""


class Announcer:
    """One server's announcements: those that it makes, and what it makes of those that it hears."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._sender = uuid.uuid4().hex
        self._unannounced: set[Point] = set()
        self._announcing = asyncio.Event()
        self._trouble = Trouble(
            "cannot announce what is stored here, which other servers hear by a look once a second",
            "announces again what is stored here",
        )

    def announce(self, locations: Iterable[Point]) -> None:
        """Lets the other servers know, soon, that something was committed at `locations`. Never waits."""
        self._unannounced.update(locations)
        self._announcing.set()

    def understood(self, announcement: str) -> AbstractSet[Point]:
        """The locations that another server announced; none where it was this one, or is no announcement."""
        sender, *locations = announcement.split(" ")
        try:
            return set() if sender == self._sender else set(map(_point, locations))
        except (ValueError, InvalidInput):  # whoever may connect may announce anything
            return set()

    async def run(self) -> NoReturn:
        """Sends what there is to announce."""
        while True:
            await self._announcing.wait()
            self._announcing.clear()
            while self._unannounced:
                await asyncio.sleep(_GATHER)
                await self._announce_some()

    async def _announce_some(self) -> None:
        locations = list(islice(self._unannounced, _ANNOUNCED_AT_ONCE))
        self._unannounced.difference_update(locations)
        announcement = " ".join([self._sender, *map(str, locations)])
        try:
            async with self._connections.connection() as connection:
                await connection.execute(statements.ANNOUNCE, CHANNEL, announcement)
        except StorageError as error:
            self._trouble.failed(error)
        else:
            self._trouble.succeeded()


def _point(text: str) -> Point:
    latitude, longitude = text.split(",")
    return Point(int(latitude), int(longitude))
