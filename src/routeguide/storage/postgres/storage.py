"""A store in a PostgreSQL database: how it is opened, and how it is closed."""

import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from routeguide.storage.base import Retention
from routeguide.storage.database import DatabaseStorage
from routeguide.storage.live import LiveNotes
from routeguide.storage.migrations import Migration, known_migrations
from routeguide.storage.postgres import statements
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.features import PostgresFeatureRepository
from routeguide.storage.postgres.listening import Listener, listener_for
from routeguide.storage.postgres.live import LiveExchange
from routeguide.storage.postgres.notes import PostgresNoteRepository
from routeguide.storage.postgres.opening import Database
from routeguide.storage.postgres.schema import prepare_schema


class PostgresStorage(DatabaseStorage):
    """Repositories that share a pool of connections."""

    features: PostgresFeatureRepository
    notes: PostgresNoteRepository

    def __init__(
        self, connections: Connections, notes: PostgresNoteRepository, exchange: LiveExchange | None
    ) -> None:
        self.features = PostgresFeatureRepository(connections)
        self.notes = notes
        self._exchange = exchange
        self._connections = connections

    async def check(self) -> None:
        async with self._connections.connection() as connection:
            await connection.execute(statements.LOCK_SOMETHING)

    async def _close(self) -> None:
        try:
            if self._exchange is not None:
                await self._exchange.close()
            await self.features.close()
            await self.notes.close()
        finally:
            await self._connections.close()


async def open_postgres(
    database: Database,
    *,
    retention: Retention,
    auto_migrate: bool = False,
    migrations: Sequence[Migration] | None = None,
    clock: Callable[[], float] = time.time,
) -> PostgresStorage:
    """Opens `database`, which has to be there; its tables are made where it is empty.

    Args:
        migrations: those that ship with the code, unless given.
        clock: seconds since 1970; tells the age of notes.

    Raises:
        StorageUnusable, SchemaBehind, SchemaAhead, StorageUnavailable, StorageFull: each says what
            to do. Nothing stays open.
    """
    known = known_migrations("postgres") if migrations is None else migrations
    async with AsyncExitStack() as stack:
        connections = await database.connect()
        stack.push_async_callback(connections.close)
        with database.errors_for_its_operator():
            await prepare_schema(connections, known, auto_migrate=auto_migrate)
            live = LiveNotes(dense=True)
            exchange = (
                LiveExchange(connections, live, retention, clock) if database.options.live_chat else None
            )
            notes = PostgresNoteRepository(connections, retention, clock, live, exchange)
            storage = PostgresStorage(connections, notes, exchange)
            await storage.check()  # a database that cannot be written is found out now, not later
        if exchange is not None:
            exchange.start(await _checked_listener(database))
        stack.pop_all()
        return storage


async def _checked_listener(database: Database) -> Listener | None:
    listener = listener_for(database.url, database.options)
    if listener is not None and database.options.listen_url:  # or it connects as all others do
        await listener.check()
    return listener
