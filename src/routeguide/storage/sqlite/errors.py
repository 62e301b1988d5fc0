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

_NO_ROOM = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_SHMSIZE,  # there was room for the file, but not for WAL's shared memory beside it
}

_AT_OPENING = {
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup",
    sqlite3.SQLITE_NOTADB: "is no SQLite database; move it away, or name another file",
}

_PERMISSIONS = {
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}

_NOT_WRITABLE = (
    "cannot be opened for writing; check that the file system is not mounted read-only,"
    " and that the file and its folder belong to the user that the server runs as"
)


def at_run_time(error: sqlite3.Error | OSError) -> StorageError:
    """The error for whoever made the request: it names no path and nothing of the driver's."""
    if isinstance(error, OSError):
        return StorageUnavailable("the store is not in its place")
    if is_locked(error):
        return StorageUnavailable("the store is busy: another process holds its lock")
    if _lacks_room(error):
        return StorageFull("the store has no room left")
    if _primary_code(error) in _ENVIRONMENT:
        return StorageUnavailable("the store cannot be read or written at the moment")
    return StorageError("the store failed")


def at_opening(error: sqlite3.Error | OSError | StorageUnusable, database: Path) -> StorageError:
    """The error for the operator, who has to know which file it is and what to do about it."""
    if isinstance(error, StorageUnusable):
        return type(error)(f"{database}: {error}")
    if isinstance(error, OSError):
        return StorageUnusable(f"{database} {_NOT_WRITABLE} ({error.strerror})")
    if is_locked(error):
        return StorageUnavailable(f"{database} is locked by another process; end that process, or try again")
    if _lacks_room(error):
        return StorageFull(f"{database} cannot grow: the disk is full")
    return StorageUnusable(f"{database} {_reason(error)}")


def is_locked(error: sqlite3.Error) -> bool:
    """Whether the statement failed only because of a lock."""
    return _primary_code(error) in _LOCKED


def is_caused_by_the_statement(error: sqlite3.Error) -> bool:
    """Whether the statement itself is at fault, or the data that it met: it would fail anywhere."""
    return not (is_locked(error) or _lacks_room(error) or _primary_code(error) in _ENVIRONMENT)


def name_of(error: sqlite3.Error) -> str:
    """SQLite's name for what went wrong, such as ``SQLITE_IOERR_FSYNC``."""
    return getattr(error, "sqlite_errorname", "no code")


def _reason(error: sqlite3.Error) -> str:
    code = _primary_code(error)
    if code in _PERMISSIONS:
        return f"{_NOT_WRITABLE} ({name_of(error)})"
    return _AT_OPENING.get(code, f"failed while being opened ({name_of(error)})")


def _lacks_room(error: sqlite3.Error) -> bool:
    return _code(error) in _NO_ROOM


def _primary_code(error: sqlite3.Error) -> int:
    """The lowest byte; the rest rarely says more than anyone decides by."""
    return _code(error) & 0xFF


def _code(error: sqlite3.Error) -> int:
    """The extended code. Errors that the module raises by itself have none."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
