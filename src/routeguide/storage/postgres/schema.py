"""At which step the schema of a database stands, and how it gets to the next."""

from collections.abc import Sequence

import asyncpg

from routeguide.errors import StorageUnusable
from routeguide.storage.migrations import AppliedMigration, Migration, pending, refuse_behind
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.errors import is_environmental
from routeguide.storage.postgres.pool import Connection

_PATIENCE = 600.0
"""Seconds that migrating may take, the wait for another process that migrates included."""

_TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtext('routeguide.migrate'))"
"""Until the transaction ends: a pooler in transaction mode would hand a session's lock to somebody else."""

_LIMIT_WAITS = "SET LOCAL lock_timeout = '5s'"
"""Whoever waits for a table's lock holds up everybody who comes after."""

_COLUMNS_OF_RECORDS = """
SELECT attname, atttypid::regtype::text FROM pg_attribute
WHERE attrelid = to_regclass('schema_migration') AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""
_OUR_COLUMNS = [("name", "text"), ("checksum", "text"), ("applied_at", "timestamp with time zone")]
_APPLIED = "SELECT name, checksum, applied_at FROM schema_migration ORDER BY name"
_RECORD = "INSERT INTO schema_migration (name, checksum, applied_at) VALUES ($1, $2, now())"
_CREATE_RECORDS = """
CREATE TABLE IF NOT EXISTS schema_migration (
  name       text PRIMARY KEY,
  checksum   text NOT NULL,  -- SHA-256 of the file
  applied_at timestamptz NOT NULL
)
"""


async def prepare_schema(connections: Connections, known: Sequence[Migration], *, auto_migrate: bool) -> None:
    """Leaves the database at the schema of `known`, or refuses it untouched.

    Raises:
        SchemaBehind: it is older, has data, and may not be migrated.
        SchemaAhead, StorageUnusable, StorageUnavailable
    """
    async with connections.connection() as connection:
        applied = await applied_migrations(connection)
    due = pending(known, applied)
    if applied and not auto_migrate:
        refuse_behind(due)
    if due:
        await migrate(connections, known)


async def migrate(connections: Connections, known: Sequence[Migration]) -> Sequence[Migration]:
    """Applies what is pending, all of it or nothing, and returns it.

    One transaction, so that a process which starts meanwhile never finds an empty database half migrated.
    """
    async with connections.transaction(timeout=_PATIENCE) as connection:
        await connection.execute(_TAKE_TURN)
        await connection.execute(_LIMIT_WAITS)
        # Asked only now: another process may have migrated meanwhile.
        due = pending(known, await applied_migrations(connection))
        if due:
            await _apply_all(connection, due)
    return due


async def applied_migrations(connection: Connection) -> Sequence[AppliedMigration]:
    """What was applied to the database so far; nothing, if it is empty.

    Raises:
        StorageUnusable: another program keeps its records where ours would be.
    """
    columns = await connection.fetch(_COLUMNS_OF_RECORDS)
    if not columns:
        return ()
    if [tuple(column) for column in columns] != _OUR_COLUMNS:
        raise StorageUnusable("another program has a table schema_migration there; name another database")
    return [AppliedMigration(*record) for record in await connection.fetch(_APPLIED)]


async def _apply_all(connection: Connection, due: Sequence[Migration]) -> None:
    try:
        await connection.execute(_CREATE_RECORDS)
        for migration in due:
            await _apply(connection, migration)
    except asyncpg.InsufficientPrivilegeError as error:
        names = ", ".join(migration.name for migration in due)
        raise StorageUnusable(
            f"the user lacks the privilege to migrate ({names} pending, SQLSTATE {error.sqlstate});"
            f" run `routeguide migrate` as a role that may create and alter tables"
        ) from error


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        await connection.execute(migration.sql)
    except asyncpg.PostgresError as error:
        if is_environmental(error):
            raise
        raise StorageUnusable(
            f"migration {migration.name} failed (SQLSTATE {error.sqlstate}) and was undone; please report it"
        ) from error
    await connection.execute(_RECORD, migration.name, migration.checksum)
