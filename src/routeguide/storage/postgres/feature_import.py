"""The import of features: COPY into a table of the transaction's own, then one statement that merges it.

Readers see nothing of it before the commit, and the statement that merges sees every row at once: so which
row is the first or the last at its location is the database's to find out, however many there are.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import suppress
from types import TracebackType

from routeguide.domain.models import Feature
from routeguide.errors import StorageClosed, StorageError
from routeguide.storage.base import ImportResult
from routeguide.storage.database import FeatureImporter
from routeguide.storage.postgres import statements
from routeguide.storage.postgres.connections import Connections

_PATIENCE = 3600.0
"""Seconds that an import may take: millions of features, another import before it, a source that is slow."""

_COMMIT_PATIENCE = 5.0
"""Seconds that closing allows a commit: undone in the middle it may have been done all the same."""

_STRETCH = 1000
"""Features that are sent before others get their turn."""

_ROOM_TO_SORT = "SET LOCAL work_mem = '64MB'"

_StagedRow = tuple[int, int, int, bytes]


class PostgresFeatureImporter(FeatureImporter):
    """Imports, each in one transaction."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._under_way: set[_Import] = set()
        self._closed = False

    async def import_all(self, features: Iterable[Feature], *, into_empty: bool = False) -> ImportResult:
        if self._closed:
            raise _closed()
        importing = _Import()
        self._under_way.add(importing)
        try:
            with importing:
                return await self._import(_Source(features), importing, into_empty)
        finally:
            self._under_way.discard(importing)

    async def close(self) -> None:
        """Undoes imports that do not commit yet, whatever they wait for: they raise StorageClosed."""
        self._closed = True
        await asyncio.gather(*(importing.end() for importing in self._under_way))

    async def _import(self, source: "_Source", importing: "_Import", into_empty: bool) -> ImportResult:
        try:
            return await self._stage_and_merge(source, importing, into_empty)
        except StorageError:
            if source.failure is None:
                raise
        # A file that cannot be read fails as a connection does, with OSError; the store has not failed.
        raise source.failure

    async def _stage_and_merge(
        self, source: "_Source", importing: "_Import", into_empty: bool
    ) -> ImportResult:
        async with self._connections.transaction(timeout=_PATIENCE) as connection:
            await connection.execute(statements.STAGE_FEATURES)
            await connection.copy_records_to_table("staged_feature", records=_staged(source))
            await connection.execute(_ROOM_TO_SORT)
            await connection.execute(statements.TAKE_TURN_AT_IMPORTING)
            if into_empty and await connection.fetchval(statements.LAST_FEATURE):
                return ImportResult()
            (merged,) = await connection.fetch(statements.MERGE_FEATURES)
            await connection.execute(statements.UPDATE_STATISTICS)
            importing.commits = True
        return ImportResult(merged["added"], merged["renamed"], merged["unchanged"])


class _Import:
    """An import under way in its caller's task, which is cancelled when the store closes.

    To leave the transaction is what undoes it, and only that ends the wait for another import's turn.
    """

    def __init__(self) -> None:
        self._caller = asyncio.current_task()
        self._ended = asyncio.Event()
        self._is_undone = False
        self.commits = False

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if not self._is_undone or self._caller is None:
            return
        # Whoever cancelled the caller besides still has it cancelled.
        if not self._caller.uncancel() and isinstance(error, asyncio.CancelledError):
            raise _closed() from None

    async def end(self) -> None:
        """Undoes it, unless it commits within moments; returns when it is over."""
        if self.commits:
            with suppress(TimeoutError):
                async with asyncio.timeout(_COMMIT_PATIENCE):
                    await self._ended.wait()
        self._undo()
        await self._ended.wait()

    def _undo(self) -> None:
        if self._caller is not None and not self._ended.is_set():
            self._is_undone = True
            self._caller.cancel()


class _Source:
    """Features on their way into the database, and what went wrong with the iterable that they come from."""

    def __init__(self, features: Iterable[Feature]) -> None:
        self._features = features
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[Feature]:
        try:
            yield from self._features
        except Exception as error:
            self.failure = error
            raise


async def _staged(features: Iterable[Feature]) -> AsyncGenerator[_StagedRow, None]:
    for place, feature in enumerate(features):
        if not place % _STRETCH:
            await asyncio.sleep(0)
        yield place, feature.location.latitude, feature.location.longitude, feature.name.encode()


def _closed() -> StorageClosed:
    return StorageClosed("the store is closed")
