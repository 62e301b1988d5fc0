"""The import of features: COPY into a table of the transaction's own, then one statement that merges it.

Readers see nothing of it before the commit, and the statement that merges sees every row at once: so which
row is the first or the last at its location is the database's to find out, however many there are.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import contextmanager

from routeguide.domain.models import Feature
from routeguide.errors import StorageClosed
from routeguide.storage.base import ImportResult
from routeguide.storage.postgres import statements
from routeguide.storage.postgres.connections import Connections

_PATIENCE = 3600.0
"""Seconds that an import may take: millions of features, another import before it, a source that is slow."""

_STRETCH = 1000
"""Features that are sent before others get their turn."""

_ROOM_TO_SORT = "SET LOCAL work_mem = '64MB'"

_StagedRow = tuple[int, int, int, bytes]


class PostgresFeatureImporter:
    """Imports, each in one transaction."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._under_way: set[asyncio.Event] = set()
        """One for each import, set at its end."""
        self._closed = False

    async def import_all(self, features: Iterable[Feature]) -> ImportResult:
        """As `FeatureRepository.import_all` promises."""
        with self._registered():
            async with self._connections.transaction(timeout=_PATIENCE) as connection:
                await connection.execute(statements.STAGE_FEATURES)
                await connection.copy_records_to_table("staged_feature", records=self._staged(features))
                self._refuse_if_closed()
                await connection.execute(_ROOM_TO_SORT)
                await connection.execute(statements.TAKE_TURN_AT_IMPORTING)
                (merged,) = await connection.fetch(statements.MERGE_FEATURES)
                await connection.execute(statements.UPDATE_STATISTICS)
            return ImportResult(merged["added"], merged["renamed"], merged["unchanged"])

    async def close(self) -> None:
        """Undoes imports that still read their source, which raise StorageClosed; waits for all."""
        self._closed = True
        for ended in tuple(self._under_way):
            await ended.wait()

    async def _staged(self, features: Iterable[Feature]) -> AsyncGenerator[_StagedRow, None]:
        for place, feature in enumerate(features):
            if not place % _STRETCH:
                await asyncio.sleep(0)
                self._refuse_if_closed()
            yield place, feature.location.latitude, feature.location.longitude, feature.name.encode()

    @contextmanager
    def _registered(self) -> Generator[None, None, None]:
        self._refuse_if_closed()
        ended = asyncio.Event()
        self._under_way.add(ended)
        try:
            yield
        finally:
            self._under_way.discard(ended)
            ended.set()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StorageClosed("the store is closed")
