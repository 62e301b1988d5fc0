"""SQLite's errors in the project's own terms, at run time for clients and at opening for the operator."""

import sqlite3
from pathlib import Path

import pytest

from routeguide.errors import SchemaAhead, StorageError, StorageFull, StorageUnavailable, StorageUnusable
from routeguide.storage.sqlite.errors import at_opening, at_run_time

FILE = Path("/data/routeguide.db")


def failure(code: int | None, name: str = "SQLITE_X") -> sqlite3.Error:
    """As the driver raises it; without a code as it raises its own."""
    error = sqlite3.OperationalError("/secret/path: database is locked")
    if code is not None:
        error.sqlite_errorcode = code
        error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StorageUnavailable),
        (sqlite3.SQLITE_LOCKED_SHAREDCACHE, StorageUnavailable),
        (sqlite3.SQLITE_FULL, StorageFull),
        (sqlite3.SQLITE_IOERR_SHMSIZE, StorageFull),
        (sqlite3.SQLITE_IOERR_FSYNC, StorageUnavailable),
        (sqlite3.SQLITE_READONLY_DBMOVED, StorageUnavailable),
        (sqlite3.SQLITE_CANTOPEN_ISDIR, StorageUnavailable),
        (sqlite3.SQLITE_PROTOCOL, StorageUnavailable),
        (sqlite3.SQLITE_CORRUPT_VTAB, StorageUnavailable),
        (sqlite3.SQLITE_CONSTRAINT_CHECK, StorageError),
        (None, StorageError),
    ],
)
def test_at_run_time_the_code_decides_and_clients_are_told_nothing(
    code: int | None, expected: type[StorageError]
) -> None:
    translated = at_run_time(failure(code))
    assert type(translated) is expected
    assert "secret" not in str(translated)


@pytest.mark.parametrize(
    ("code", "expected", "said"),
    [
        (sqlite3.SQLITE_BUSY_RECOVERY, StorageUnavailable, "is locked by another process"),
        (sqlite3.SQLITE_FULL, StorageFull, "the disk is full"),
        (sqlite3.SQLITE_IOERR_SHMSIZE, StorageFull, "the disk is full"),
        (sqlite3.SQLITE_CORRUPT_INDEX, StorageUnusable, "is damaged; restore it"),
        (sqlite3.SQLITE_NOTADB, StorageUnusable, "is no SQLite database"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, StorageUnusable, "cannot be opened for writing"),
        (sqlite3.SQLITE_CANTOPEN_SYMLINK, StorageUnusable, "cannot be opened for writing"),
        (sqlite3.SQLITE_IOERR_LOCK, StorageUnusable, "cannot be opened for writing"),
        (sqlite3.SQLITE_PERM, StorageUnusable, "cannot be opened for writing"),
        (sqlite3.SQLITE_AUTH_USER, StorageUnusable, "cannot be opened for writing"),
        (sqlite3.SQLITE_ERROR, StorageUnusable, "failed while being opened (SQLITE_X)"),
        (sqlite3.SQLITE_NOMEM, StorageUnusable, "failed while being opened (SQLITE_X)"),
        (sqlite3.SQLITE_CONSTRAINT, StorageUnusable, "failed while being opened (SQLITE_X)"),
        (None, StorageUnusable, "failed while being opened (no code)"),
    ],
)
def test_at_opening_the_operator_is_told_the_file_and_what_to_do(
    code: int | None, expected: type[StorageError], said: str
) -> None:
    translated = at_opening(failure(code), FILE)
    assert type(translated) is expected
    assert str(translated).startswith(f"{FILE} ")
    assert said in str(translated)
    assert "secret" not in str(translated)


def test_what_is_refused_for_its_contents_names_the_file_too() -> None:
    translated = at_opening(SchemaAhead("start a newer release"), FILE)
    assert type(translated) is SchemaAhead
    assert str(translated) == f"{FILE}: start a newer release"
