"""What a new connection is set to before it is used, by the role that it is to play."""

import sqlite3
import time
from collections.abc import Sequence

from routeguide.errors import StorageUnusable
from routeguide.storage.migrations import Migration
from routeguide.storage.sqlite.errors import is_locked
from routeguide.storage.sqlite.schema import applied_migrations, prepare_schema, require_capable_sqlite

_READER_CACHE = "PRAGMA cache_size = -16384"
_IMPORTER_CACHE = "PRAGMA cache_size = -98304"
"""Negative: KiB. An import touches every page of the indexes; the more stay in memory, the faster."""

_LARGEST_IDLE_LOG = "PRAGMA journal_size_limit = 16777216"
"""Bytes. A log that one large import has stretched is cut back to this when it is begun anew."""

_RETRY_INTERVAL = 0.01


def prepare_writer(
    connection: sqlite3.Connection, known: Sequence[Migration], *, auto_migrate: bool, patience: float
) -> None:
    """Makes the file ready for everyone, or refuses it untouched.

    Args:
        patience: seconds to go on trying while others hold locks.
    """
    require_capable_sqlite(connection)
    applied_migrations(connection)  # refuses somebody else's database before anything is changed
    _switch_to_write_ahead_log(connection, patience)
    _make_commits_durable(connection)
    connection.execute(_LARGEST_IDLE_LOG)
    prepare_schema(connection, known, auto_migrate=auto_migrate)
    take_write_lock(connection)  # a file that cannot be written is found out now, not later


def prepare_importer(connection: sqlite3.Connection) -> None:
    _make_commits_durable(connection)
    connection.execute(_LARGEST_IDLE_LOG)
    connection.execute(_IMPORTER_CACHE)


def prepare_reader(connection: sqlite3.Connection) -> None:
    connection.execute(_READER_CACHE)
    read_something(connection)


def read_something(connection: sqlite3.Connection) -> None:
    """The cheapest statement that does not succeed without the file."""
    connection.execute("SELECT 1 FROM schema_migration LIMIT 1").fetchall()


def take_write_lock(connection: sqlite3.Connection) -> None:
    """Takes the lock and lets it go: the cheapest way to see that notes could be stored."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")


def _switch_to_write_ahead_log(connection: sqlite3.Connection, patience: float) -> None:
    """A file remembers it. Two that switch a new file at the same moment are told so at once: the busy
    timeout does not apply where waiting could deadlock."""
    deadline = time.monotonic() + patience
    while not _has_switched(connection, deadline):
        time.sleep(_RETRY_INTERVAL)  # on the connection's thread


def _has_switched(connection: sqlite3.Connection, deadline: float) -> bool:
    try:
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchall()[0][0]
    except sqlite3.OperationalError as error:
        if not is_locked(error) or time.monotonic() > deadline:
            raise
        return False
    if mode != "wal":
        raise StorageUnusable("the file system has no shared memory for SQLite; use a local disk")
    return True


def _make_commits_durable(connection: sqlite3.Connection) -> None:
    """NORMAL, which WAL is often run with, may lose the last commits when the power fails."""
    connection.execute("PRAGMA synchronous = FULL")
