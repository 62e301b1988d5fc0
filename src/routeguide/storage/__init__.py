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

_MEMORY = "memory://"
_SQLITE = "sqlite:///"

_ANY_RETENTION = Retention()


@asynccontextmanager
async def open_storage(
    url: str,
    *,
    retention: Retention = _ANY_RETENTION,
    timeout: float,  # noqa: ASYNC109  # for locks, all through the life of the store
    auto_migrate: bool = False,
) -> AsyncGenerator[Storage, None]:
    """The store at `url`, closed at the end.

    Args:
        url: ``memory://``, ``sqlite:///relative/path`` or ``sqlite:////absolute/path``.
        retention: which notes are kept; it does not matter where none is posted.
        timeout: seconds to wait for a lock that somebody else holds.
        auto_migrate: bring a schema that is behind up to date. An empty database always is.

    Raises:
        StorageUnusable, SchemaBehind, SchemaAhead, StorageUnavailable, StorageFull: written for the
            operator; each says what to do.
    """
    storage = await _open(url, retention, timeout, auto_migrate)
    try:
        yield storage
    finally:
        await storage.close()


def store_exists(url: str) -> bool:
    """Whether there is something at `url` to open; opening it would make what is missing."""
    return not url.startswith(_SQLITE) or _path(url).exists()


def library_version(url: str) -> dict[str, str]:
    """Which library keeps the store at `url`, such as ``{"sqlite": "3.51.3"}``; empty where none does."""
    if not url.startswith(_SQLITE):
        return {}
    import sqlite3  # noqa: PLC0415  # only where it is used

    return {"sqlite": sqlite3.sqlite_version}


def open_migrator(url: str, *, timeout: float) -> Migrator:
    """What shows and applies the migrations of the database at `url`. Opens nothing yet.

    Raises:
        StorageUnusable: a store of that kind has no schema.
    """
    if not url.startswith(_SQLITE):
        raise StorageUnusable(f"there is nothing to migrate in {url}: only SQLite has a schema")
    from routeguide.storage.sqlite.connection import DatabaseFile  # noqa: PLC0415  # only where used
    from routeguide.storage.sqlite.migrator import SqliteMigrator  # noqa: PLC0415  # only where used

    return SqliteMigrator(DatabaseFile(_path(url), timeout), known_migrations("sqlite"))


def second_writer_caution(url: str) -> str | None:
    """What to tell the operator before a command writes to the database at `url`; mostly nothing."""
    if not url.startswith(_SQLITE):
        return None
    from routeguide.storage.sqlite.second_writer import second_writer_caution  # noqa: PLC0415  # only where used

    return second_writer_caution(_path(url))


async def _open(url: str, retention: Retention, lock_timeout: float, auto_migrate: bool) -> Storage:
    if url == _MEMORY:
        from routeguide.storage.memory import MemoryStorage  # noqa: PLC0415  # only where it is used

        return MemoryStorage(retention)
    if url.startswith(_SQLITE):
        from routeguide.storage.sqlite.connection import DatabaseFile  # noqa: PLC0415  # only where used
        from routeguide.storage.sqlite.storage import open_sqlite  # noqa: PLC0415  # only where used

        database = DatabaseFile(_path(url), lock_timeout)
        return await open_sqlite(database, retention=retention, auto_migrate=auto_migrate)
    raise StorageUnusable("the storage URL must begin with memory:// or sqlite:///")


def _path(url: str) -> Path:
    return Path(url.removeprefix(_SQLITE))
