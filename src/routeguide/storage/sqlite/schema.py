"""Whether a file is one of ours, and at which step its schema stands."""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from routeguide.errors import StorageUnusable
from routeguide.storage.migrations import AppliedMigration, Migration, pending, refuse_behind
from routeguide.storage.sqlite.connection import transaction
from routeguide.storage.sqlite.errors import is_caused_by_the_statement, name_of

OLDEST_SQLITE = (3, 37, 0)
"""The first one with STRICT tables."""

_ANY_TABLE = (
    "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' LIMIT 1"
)
_COLUMNS_OF_RECORDS = "SELECT name, type FROM pragma_table_info('schema_migration')"
_OUR_COLUMNS = [("name", "TEXT"), ("checksum", "TEXT"), ("applied_at", "TEXT")]
_APPLIED = "SELECT name, checksum, applied_at FROM schema_migration ORDER BY name"
_RECORD = "INSERT INTO schema_migration (name, checksum, applied_at) VALUES (?, ?, ?)"
_CREATE_RECORDS = """
CREATE TABLE IF NOT EXISTS schema_migration (
  name       TEXT PRIMARY KEY,
  checksum   TEXT NOT NULL,  -- SHA-256 of the file
  applied_at TEXT NOT NULL   -- ISO 8601 in UTC
) STRICT
"""


def prepare_schema(connection: sqlite3.Connection, known: Sequence[Migration], *, auto_migrate: bool) -> None:
    """Leaves the database at the schema of `known`, or refuses it untouched.

    Raises:
        SchemaBehind: it is older, has data, and may not be migrated.
        SchemaAhead, StorageUnusable
    """
    applied = applied_migrations(connection)
    due = pending(known, applied)
    if applied and not auto_migrate:
        refuse_behind(due)
    if due:
        migrate(connection, known)


def migrate(connection: sqlite3.Connection, known: Sequence[Migration]) -> Sequence[Migration]:
    """Applies what is pending and returns it. Each step and its record are one transaction."""
    applied = []
    for _ in known:
        with transaction(connection):
            # Asked anew under the lock: another process may have taken the step meanwhile.
            due = pending(known, applied_migrations(connection))
            if due:
                _apply(connection, due[0])
                applied.append(due[0])
    return applied


def applied_migrations(connection: sqlite3.Connection) -> Sequence[AppliedMigration]:
    """What was applied to the database so far; nothing, if it is empty.

    Raises:
        StorageUnusable: the database is somebody else's, or its records are damaged.
    """
    if not connection.execute(_ANY_TABLE).fetchall():
        return ()
    if connection.execute(_COLUMNS_OF_RECORDS).fetchall() != _OUR_COLUMNS:
        raise StorageUnusable("it is the database of another program; name another file")
    return [_record(*row) for row in connection.execute(_APPLIED)]


def require_capable_sqlite(connection: sqlite3.Connection) -> None:
    """Raises StorageUnusable if the SQLite library lacks what the schema needs."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise StorageUnusable(f"SQLite {oldest} or newer is needed; this is {sqlite3.sqlite_version}")
    if connection.execute("SELECT sqlite_compileoption_used('ENABLE_RTREE')").fetchall() != [(1,)]:
        raise StorageUnusable("this SQLite library was built without R*Tree; use another build of it")


def split_statements(sql: str) -> Iterator[str]:
    """The statements of a script. A trigger's body has semicolons too, so SQLite itself is asked."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise StorageUnusable("a migration ends in the middle of a statement; reinstall this release")


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    connection.execute(_CREATE_RECORDS)
    _run(connection, migration)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    connection.execute(_RECORD, (migration.name, migration.checksum, now))


def _run(connection: sqlite3.Connection, migration: Migration) -> None:
    try:
        for statement in split_statements(migration.sql):
            connection.execute(statement)
    except sqlite3.Error as error:
        if not is_caused_by_the_statement(error):
            raise
        raise StorageUnusable(
            f"migration {migration.name} failed ({name_of(error)}) and was undone; please report it"
        ) from error


def _record(name: str, checksum: str, applied_at: str) -> AppliedMigration:
    try:
        return AppliedMigration(name, checksum, datetime.fromisoformat(applied_at))
    except ValueError as error:
        raise StorageUnusable(f"the record of migration {name} is damaged; restore a backup") from error
