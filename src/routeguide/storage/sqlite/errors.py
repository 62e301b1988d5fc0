"""SQLite's errors in the project's own terms, told apart by their codes alone."""

import sqlite3
from pathlib import Path

from routeguide.errors import StorageError, StorageFull, StorageUnavailable, StorageUnusable

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

_ENVIRONMENT = {
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_SCHEMA,
}
"""What goes wrong around a correct statement: the same call may succeed once it is mended."""

_AT_OPENING = {
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup",
    sqlite3.SQLITE_NOTADB: "is no SQLite database; move it away, or name another file",
}

_NOT_WRITABLE = (
    "cannot be opened for writing; check that the file system is not mounted read-only,"
    " and that the file and its folder belong to the user that the server runs as"
)


def at_run_time(error: sqlite3.Error) -> StorageError:
    """The error for whoever made the request: it names no path and nothing of the driver's."""
    if is_locked(error):
        return StorageUnavailable("the store is busy: another process holds its lock")
    code = _primary_code(error)
    if code == sqlite3.SQLITE_FULL:
        return StorageFull("the store has no room left")
    if code in _ENVIRONMENT:
        return StorageUnavailable("the store cannot be read or written at the moment")
    return StorageError("the store failed")


def at_opening(error: sqlite3.Error | OSError, database: Path) -> StorageError:
    """The error for the operator, who has to know which file it is and what to do about it."""
    if isinstance(error, OSError):
        return StorageUnusable(f"{database} {_NOT_WRITABLE} ({error.strerror})")
    if is_locked(error):
        return StorageUnavailable(f"{database} is locked by another process; end that process, or try again")
    code = _primary_code(error)
    if code == sqlite3.SQLITE_FULL:
        return StorageFull(f"{database} cannot grow: the disk is full")
    reason = _AT_OPENING.get(code, f"{_NOT_WRITABLE} ({getattr(error, 'sqlite_errorname', 'no code')})")
    return StorageUnusable(f"{database} {reason}")


def is_locked(error: sqlite3.Error) -> bool:
    """Whether the statement failed only because of a lock."""
    return _primary_code(error) in _LOCKED


def _primary_code(error: sqlite3.Error) -> int:
    """The lowest byte; the rest says more than anyone decides by. The module's own errors have no code."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF
