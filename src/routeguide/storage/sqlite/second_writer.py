"""Whether a second process may write to a database that is in use.

SQLite up to 3.51.2 can, rarely, reset the log wrongly when two connections write or checkpoint at the same
moment, and so damage the file. One server is safe: it has one writer, and its readers never checkpoint.
"""

import sqlite3
from pathlib import Path

_Version = tuple[int, int, int]

_MENDED = (3, 51, 3)
_MENDED_EARLIER: dict[tuple[int, int], _Version] = {(3, 44): (3, 44, 6), (3, 50): (3, 50, 7)}


def exposed_to_wal_reset(version: _Version) -> bool:
    """Whether SQLite `version` has the fault."""
    return version < _MENDED_EARLIER.get(version[:2], _MENDED)


def second_writer_caution(database: Path) -> str | None:
    """What the operator should know before writing to `database`; None where nothing is to be feared."""
    if not (_seems_in_use(database) and exposed_to_wal_reset(sqlite3.sqlite_version_info)):
        return None
    return (
        f"Caution: another process seems to use {database}, unless it was killed, and SQLite"
        f" {sqlite3.sqlite_version} may damage a file that two write at the same moment; with this version"
        " stop that process first"
    )


def _seems_in_use(database: Path) -> bool:
    """The last one to close the file removes the shared memory; only one that was killed leaves it behind."""
    return Path(f"{database.resolve()}-shm").exists()
