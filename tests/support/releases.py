"""A database as the present release and a later one find it, on every backend that has migrations."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import asyncpg

from routeguide.domain.models import Feature, Point, RouteNote
from routeguide.storage.base import Retention, Storage
from routeguide.storage.migrations import Migration, Migrator, known_migrations, read_migrations
from routeguide.storage.postgres.migrator import PostgresMigrator
from routeguide.storage.postgres.opening import Database
from routeguide.storage.postgres.storage import open_postgres
from routeguide.storage.sqlite.connection import DatabaseFile
from routeguide.storage.sqlite.migrator import SqliteMigrator
from routeguide.storage.sqlite.storage import open_sqlite
from tests.support.postgres import DEADLINE, PATIENT

HERE = Point(0, 0)

STEPS = {
    "sqlite": """
-- What a later release might do: a column, filled from the data, and a trigger.
ALTER TABLE feature ADD COLUMN name_length INTEGER NOT NULL DEFAULT 0;
UPDATE feature SET name_length = length(name);
CREATE TRIGGER feature_measured AFTER INSERT ON feature
BEGIN
  UPDATE feature SET name_length = length(name) WHERE id = new.id;
END;
""",
    "postgres": """
-- What a later release might do: a column, filled from the data, and a trigger.
ALTER TABLE feature ADD COLUMN name_length integer NOT NULL DEFAULT 0;
UPDATE feature SET name_length = octet_length(name);
CREATE FUNCTION measure_feature() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  new.name_length := octet_length(new.name);
  RETURN new;
END
$$;
CREATE TRIGGER feature_measured BEFORE INSERT ON feature FOR EACH ROW EXECUTE FUNCTION measure_feature();
""",
}


class Releases(ABC):
    """One database, and the migrations of two releases."""

    dialect: str

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: for the files of the later release's migrations, which are read as the real ones are.
        """
        self.head = known_migrations(self.dialect)
        folder.mkdir()
        for migration in self.head:
            (folder / f"{migration.name}.sql").write_text(migration.sql, encoding="utf-8")
        step = folder / f"{len(self.head) + 1:04}.name-length.sql"
        step.write_text(STEPS[self.dialect], encoding="utf-8")
        self.newer = read_migrations(folder)

    @asynccontextmanager
    async def opened(
        self, migrations: Sequence[Migration], *, auto_migrate: bool = False
    ) -> AsyncGenerator[Storage, None]:
        store = await self.open(migrations, auto_migrate=auto_migrate)
        try:
            yield store
        finally:
            await store.close()

    async def fill(self) -> None:
        """What the present release leaves behind: a feature and a note."""
        async with self.opened(self.head) as store:
            await store.features.import_all([Feature("Patriots Path", HERE)])
            await store.notes.post(RouteNote(HERE, "before"))

    @abstractmethod
    async def open(self, migrations: Sequence[Migration], *, auto_migrate: bool = False) -> Storage: ...

    @abstractmethod
    def migrator(self, migrations: Sequence[Migration]) -> Migrator: ...

    @abstractmethod
    async def rows(self, statement: str) -> list[tuple[object, ...]]: ...


class SqliteReleases(Releases):
    dialect = "sqlite"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "migrations")
        self.path = folder / "routeguide.db"
        self.file = DatabaseFile(self.path, timeout=5)

    async def open(self, migrations: Sequence[Migration], *, auto_migrate: bool = False) -> Storage:
        return await open_sqlite(
            self.file, retention=Retention(), auto_migrate=auto_migrate, migrations=migrations
        )

    def migrator(self, migrations: Sequence[Migration]) -> Migrator:
        return SqliteMigrator(self.file, migrations)

    async def rows(self, statement: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(statement).fetchall()


class PostgresReleases(Releases):
    dialect = "postgres"

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder / "migrations")
        self.database = Database(url, 2 * DEADLINE, PATIENT)

    async def open(self, migrations: Sequence[Migration], *, auto_migrate: bool = False) -> Storage:
        return await open_postgres(
            self.database, retention=Retention(), auto_migrate=auto_migrate, migrations=migrations
        )

    def migrator(self, migrations: Sequence[Migration]) -> Migrator:
        return PostgresMigrator(self.database, migrations)

    async def rows(self, statement: str) -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(self.database.url)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()
