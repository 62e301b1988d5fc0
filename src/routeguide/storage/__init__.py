"""Where features and notes are kept: one contract (`base`), one module or package per backend.

These functions are the only doors; nothing above this floor names a backend. Backends are imported when they
are opened, so that none pays for another.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from routeguide.errors import StorageUnusable
from routeguide.storage.base import Retention, Storage
from routeguide.storage.migrations import Migrator, known_migrations
from routeguide.storage.postgres.options import PostgresOptions

_MEMORY = "memory://"
_SQLITE = "sqlite:///"
_POSTGRES = "postgresql://"

_ANY_RETENTION = Retention()
_POSTGRES_DEFAULTS = PostgresOptions()


@asynccontextmanager
async def open_storage(
    url: str,
    *,
    retention: Retention = _ANY_RETENTION,
    timeout: float,  # noqa: ASYNC109  # of each operation, all through the life of the store
    auto_migrate: bool = False,
    postgres: PostgresOptions = _POSTGRES_DEFAULTS,
) -> AsyncGenerator[Storage, None]:
    """The store at `url`, closed at the end.

    Args:
        url: ``memory://``, ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or ``postgresql://…``.
        retention: which notes are kept; it does not matter where none is posted.
        timeout: seconds to wait for a lock that somebody else holds, and for a server to answer.
        auto_migrate: bring a schema that is behind up to date. An empty database always is.
        postgres: how a PostgreSQL database is used; others do not look at it.

    Raises:
        StorageUnusable, SchemaBehind, SchemaAhead, StorageUnavailable, StorageFull: written for the
            operator; each says what to do.
    """
    storage = await _open(url, retention, timeout, auto_migrate, postgres)
    try:
        yield storage
    finally:
        await storage.close()


def store_exists(url: str) -> bool:
    """Whether there is something at `url` to open; opening it would make what is missing."""
    return not url.startswith(_SQLITE) or _path(url).exists()


def library_version(url: str) -> dict[str, str]:
    """Which library keeps the store at `url`, such as ``{"sqlite": "3.51.3"}``; empty where none does."""
    if url.startswith(_SQLITE):
        import sqlite3  # noqa: PLC0415  # only where it is used

        return {"sqlite": sqlite3.sqlite_version}
    if url.startswith(_POSTGRES):
        import asyncpg  # noqa: PLC0415  # only where it is used

        return {"asyncpg": asyncpg.__version__}
    return {}


def open_migrator(url: str, *, timeout: float, postgres: PostgresOptions = _POSTGRES_DEFAULTS) -> Migrator:
    """What shows and applies the migrations of the database at `url`. Opens nothing yet.

    Raises:
        StorageUnusable: a store of that kind has no schema.
    """
    if url.startswith(_SQLITE):
        from routeguide.storage.sqlite.connection import DatabaseFile  # noqa: PLC0415  # only where used
        from routeguide.storage.sqlite.migrator import SqliteMigrator  # noqa: PLC0415  # only where used

        return SqliteMigrator(DatabaseFile(_path(url), timeout), known_migrations("sqlite"))
    if url.startswith(_POSTGRES):
        from routeguide.storage.postgres.migrator import PostgresMigrator  # noqa: PLC0415  # only where used
        from routeguide.storage.postgres.opening import Database  # noqa: PLC0415  # only where used

        return PostgresMigrator(Database(url, timeout, postgres), known_migrations("postgres"))
    raise StorageUnusable(f"there is nothing to migrate in {url}: it has no schema")


def second_writer_caution(url: str) -> str | None:
    """What to tell the operator before a process writes to the database at `url`; mostly nothing."""
    if not url.startswith(_SQLITE):
        return None
    from routeguide.storage.sqlite.second_writer import second_writer_caution  # noqa: PLC0415  # only where used

    return second_writer_caution(_path(url))


async def _open(
    url: str, retention: Retention, patience: float, auto_migrate: bool, postgres: PostgresOptions
) -> Storage:
    if url == _MEMORY:
        from routeguide.storage.memory import MemoryStorage  # noqa: PLC0415  # only where it is used

        return MemoryStorage(retention)
    if url.startswith(_SQLITE):
        from routeguide.storage.sqlite.connection import DatabaseFile  # noqa: PLC0415  # only where used
        from routeguide.storage.sqlite.storage import open_sqlite  # noqa: PLC0415  # only where used

        file = DatabaseFile(_path(url), patience)
        return await open_sqlite(file, retention=retention, auto_migrate=auto_migrate)
    if url.startswith(_POSTGRES):
        from routeguide.storage.postgres.opening import Database  # noqa: PLC0415  # only where used
        from routeguide.storage.postgres.storage import open_postgres  # noqa: PLC0415  # only where used

        database = Database(url, patience, postgres)
        return await open_postgres(database, retention=retention, auto_migrate=auto_migrate)
    raise StorageUnusable("the storage URL must begin with memory://, sqlite:/// or postgresql://")


def _path(url: str) -> Path:
    return Path(url.removeprefix(_SQLITE))
