"""Shows and applies the migrations of a PostgreSQL database."""

from collections.abc import Sequence

from routeguide.storage.migrations import Migration, MigrationStatus, Migrator, pending, statuses
from routeguide.storage.postgres.opening import Database, connected
from routeguide.storage.postgres.schema import applied_migrations, migrate


class PostgresMigrator(Migrator):
    """Connects for each call, so that nothing has to be closed."""

    def __init__(self, database: Database, known: Sequence[Migration]) -> None:
        self._database = database
        self._known = known

    async def status(self) -> Sequence[MigrationStatus]:
        async with connected(self._database) as connections, connections.connection() as connection:
            applied = await applied_migrations(connection)
            pending(self._known, applied)  # refuses what the code does not know
        return statuses(self._known, applied)

    async def apply(self) -> Sequence[Migration]:
        async with connected(self._database) as connections:
            return await migrate(connections, self._known)
