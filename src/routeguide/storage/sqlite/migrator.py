"""Shows and applies the migrations of a SQLite file."""

import sqlite3
from collections.abc import Sequence

from routeguide.storage.migrations import Migration, MigrationStatus, Migrator, pending, statuses
from routeguide.storage.sqlite.connection import DatabaseFile, SqliteConnection, Unit
from routeguide.storage.sqlite.schema import applied_migrations, migrate, require_capable_sqlite
from routeguide.storage.sqlite.storage import make_folder


class SqliteMigrator(Migrator):
    """Opens the file for each call, so that nothing has to be closed."""

    def __init__(self, database: DatabaseFile, known: Sequence[Migration]) -> None:
        self._database = database
        self._known = known

    async def status(self) -> Sequence[MigrationStatus]:
        if not self._database.path.exists():
            return statuses(self._known, ())
        found: list[MigrationStatus] = []
        await self._run(lambda connection: found.extend(_status(connection, self._known)), mode="ro")
        return found

    async def apply(self) -> Sequence[Migration]:
        make_folder(self._database.path)
        applied: list[Migration] = []
        await self._run(lambda connection: applied.extend(_migrate(connection, self._known)), mode="rwc")
        return applied

    async def _run(self, unit: Unit[None], *, mode: str) -> None:
        """Runs `unit` while opening, so that errors are worded for the operator."""
        connection = await SqliteConnection.open(self._database, unit, mode=mode)
        await connection.close()


def _status(connection: sqlite3.Connection, known: Sequence[Migration]) -> Sequence[MigrationStatus]:
    applied = applied_migrations(connection)
    pending(known, applied)  # refuses what the code does not know
    return statuses(known, applied)


def _migrate(connection: sqlite3.Connection, known: Sequence[Migration]) -> Sequence[Migration]:
    require_capable_sqlite(connection)
    return migrate(connection, known)
