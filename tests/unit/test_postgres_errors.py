"""What the operator is told of errors that come before PostgreSQL could speak."""

import errno
import os
import socket
import ssl

import asyncpg
import pytest

from routeguide.errors import StorageError, StorageUnavailable, StorageUnusable
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.errors import DriverError, at_opening, at_run_time

WHERE = "postgresql://host/db"

DEADLINE = 20.0
"""Seconds for an operation that nothing holds up, on a busy machine."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "it does not answer in time"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "nobody listens there"),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "there is no such host"),
        (asyncpg.TargetServerAttributeNotMatched("standby"), "the database is read-only"),
        (asyncpg.CannotConnectNowError("starting"), "the database is starting or stopping (SQLSTATE 57P03)"),
        (
            asyncpg.ObjectNotInPrerequisiteStateError("no"),
            "the database accepts no connections at the moment (SQLSTATE 55000)",
        ),
        (
            asyncpg.ProtocolViolationError("unsupported startup parameter"),
            "it refuses how the session begins; behind a pooler set ROUTEGUIDE_POSTGRES_POOLER=true"
            " (SQLSTATE 08P01)",
        ),
        (ConnectionError("the driver's own"), "it does not speak TLS, or hung up before it did"),
        (ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)), "connection reset by peer"),
        (OSError("told in words alone"), "no connection can be made"),
    ],
)
def test_what_may_pass(error: DriverError, reason: str) -> None:
    told = at_opening(error, WHERE)
    assert (type(told), str(told)) == (StorageUnavailable, f"{WHERE}: {reason}")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            ssl.SSLCertVerificationError("unknown issuer"),
            "its certificate is not trusted, or is for another name",
        ),
        (ssl.SSLError("no protocol in common"), "TLS fails"),
        (
            FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/etc/password"),
            "no such file or directory (/etc/password)",
        ),
        (ValueError("port"), "the URL cannot be understood"),
        (
            asyncpg.InsufficientPrivilegeError("no"),
            "the user lacks a privilege that the server needs (SQLSTATE 42501)",
        ),
        (
            asyncpg.UndefinedObjectError("no"),
            "a parameter of the URL or of PGOPTIONS is unknown to it, or has no such value (SQLSTATE 42704)",
        ),
        (asyncpg.UndefinedTableError("no"), "the database failed (SQLSTATE 42P01)"),
    ],
)
def test_what_has_to_be_mended(error: DriverError | ValueError, reason: str) -> None:
    told = at_opening(error, WHERE)
    assert (type(told), str(told)) == (StorageUnusable, f"{WHERE}: {reason}")


async def opening_error(url: str) -> StorageError:
    """What is told where the driver refuses `url` before it connects."""
    with pytest.raises(StorageError) as raised:
        await Connections.open(url, timeout=DEADLINE)
    return raised.value


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
@pytest.mark.parametrize("home", ["/absent", "/dev/null"])
async def test_nothing_to_verify_by(monkeypatch: pytest.MonkeyPatch, home: str, mode: str) -> None:
    monkeypatch.setenv("HOME", home)
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    told = await opening_error(f"{WHERE}?sslmode={mode}")
    assert (type(told), str(told)) == (
        StorageUnusable,
        f"{WHERE}: there is nothing to verify its certificate by; set ROUTEGUIDE_POSTGRES_TLS_CA_FILE",
    )


async def test_whatever_else_is_configured_wrongly() -> None:
    told = await opening_error(f"{WHERE}?sslmode=perhaps")
    assert str(told) == f"{WHERE}: the URL, or a variable such as PGUSER, says what cannot be"


def test_a_client_is_told_nothing_of_the_driver() -> None:
    for error in (ConnectionRefusedError("10.0.0.1"), asyncpg.InvalidPasswordError("user me")):
        assert str(at_run_time(error)) == "the store cannot be reached at the moment"
