"""PostgreSQL's errors in the project's own terms, told apart by SQLSTATE alone."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from routeguide.errors import (
    StorageBusy,
    StorageError,
    StorageFull,
    StorageUnavailable,
    StorageUnusable,
)

DriverError = asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError | OSError
"""What the driver raises. TimeoutError is an OSError, and so is every fault of TLS."""

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

READ_ONLY = "25006"

_TOO_MANY_CONNECTIONS = "53300"
_DISK_FULL = "53100"
_NO_CONNECTIONS_ALLOWED = "55000"

_ENVIRONMENT = {
    "08",  # the connection broke
    "25",  # the transaction is read-only, or was ended while it was idle
    "26",  # a prepared statement is gone: a pooler handed out another session
    "28",  # the password was just changed
    "3D",  # the database is gone, as while it is restored
    "40",  # a deadlock, or two transactions that cannot both be
    "42P05",  # a prepared statement is there already: a pooler again
    "42501",  # no privilege, until it is granted
    "53",  # the server lacks memory, room or connections
    _NO_CONNECTIONS_ALLOWED,  # as while the database is moved or restored
    "55P03",  # a lock is held by somebody else
    "57",  # the statement took too long, or the server is shutting down or starting
    "58",  # the server's disk fails
    "F0",  # the server's configuration is wrong
    "XX",  # the server's data or the server itself is damaged
}
"""SQLSTATEs, and classes of them, of what goes wrong around a correct statement."""

_UNKNOWN_PARAMETER = "a parameter of the URL or of PGOPTIONS is unknown to it, or has no such value"

_AT_OPENING = {
    "08P01": "it refuses how the session begins; behind a pooler set ROUTEGUIDE_POSTGRES_POOLER=true",
    "22023": _UNKNOWN_PARAMETER,
    "28": "the database refuses the user or the password",
    "3D": "there is no such database",
    "42501": "the user lacks a privilege that the server needs",
    "42704": _UNKNOWN_PARAMETER,
    _NO_CONNECTIONS_ALLOWED: "the database accepts no connections at the moment",
    READ_ONLY: "the database is read-only",
    "57P03": "the database is starting or stopping",
    _TOO_MANY_CONNECTIONS: "the database has as many connections as it takes",
}


_WITHOUT_STATE: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "it does not answer in time"),
    (ssl.SSLCertVerificationError, "its certificate is not trusted, or is for another name"),
    (ssl.SSLError, "TLS fails"),
    (socket.gaierror, "there is no such host"),
    (ConnectionRefusedError, "nobody listens there"),
    (asyncpg.TargetServerAttributeNotMatched, _AT_OPENING[READ_ONLY]),
    (asyncpg.ClientConfigurationError, "the URL, or a variable such as PGUSER, says what cannot be"),
    (ValueError, "the URL cannot be understood"),
)
"""What goes wrong before PostgreSQL could speak."""


@contextmanager
def translated() -> Iterator[None]:
    """Raises in the project's terms whatever the driver raises within."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise at_run_time(error) from error


def at_run_time(error: DriverError) -> StorageError:
    """The error for whoever made the request: it names no address and nothing of the driver's."""
    state = sqlstate_of(error)
    if state == _DISK_FULL:
        return StorageFull("the store has no room left")
    if state == _TOO_MANY_CONNECTIONS:
        return StorageBusy("the store has as many connections as it takes")
    if is_environmental(error):
        return StorageUnavailable("the store cannot be reached at the moment")
    return StorageError("the store failed")


def at_opening(error: DriverError | ValueError, where: str) -> StorageError:
    """The error for the operator who wants to use the database at `where`, which shows no password."""
    state = sqlstate_of(error)
    kind = StorageUnavailable if _may_pass(error) else StorageUnusable
    if state is None:
        return kind(f"{where}: {_reason_without_state(error)}")
    reason = _AT_OPENING.get(state) or _AT_OPENING.get(state[:2], "the database failed")
    return kind(f"{where}: {reason} (SQLSTATE {state})")


def _may_pass(error: DriverError | ValueError) -> bool:
    if isinstance(error, ssl.SSLError | FileNotFoundError | PermissionError | ValueError):
        return False
    state = sqlstate_of(error)
    return state is None or state == _NO_CONNECTIONS_ALLOWED or state[:2] in {"08", "53", "57"}


def _reason_without_state(error: DriverError | ValueError) -> str:
    if _has_no_authorities(error):
        return "there is nothing to verify its certificate by; set ROUTEGUIDE_POSTGRES_TLS_CA_FILE"
    if type(error) is ConnectionError:  # the driver's own; the system's are of subclasses
        return "it does not speak TLS, or hung up before it did"
    for kind, reason in _WITHOUT_STATE:
        if isinstance(error, kind):
            return reason
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror.lower()}{f' ({error.filename})' if error.filename else ''}"
    return "no connection can be made"


def _has_no_authorities(error: Exception) -> bool:
    """Whether TLS is to be verified and no file of authorities is named, nor is there libpq's default one.

    The driver has one type for whatever is configured wrongly; what tells this is that it came of looking for
    the default file, whose absence is not told where a file is named.
    """
    missing = FileNotFoundError | NotADirectoryError | asyncpg.ClientConfigurationError  # the last: no home
    return isinstance(error, asyncpg.ClientConfigurationError) and isinstance(error.__context__, missing)


def is_environmental(error: DriverError) -> bool:
    """Whether the same statement may succeed later, or on another connection."""
    state = sqlstate_of(error)
    if state is None:
        return not isinstance(error, asyncpg.InterfaceError)  # the driver's word for being misused
    return state in _ENVIRONMENT or state[:2] in _ENVIRONMENT


def sqlstate_of(error: BaseException) -> str | None:
    """The five characters that PostgreSQL gives each kind of error; None where it did not speak."""
    return getattr(error, "sqlstate", None)
