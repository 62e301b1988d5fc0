"""What the operator is told of errors that come before PostgreSQL could speak."""

import errno
import os
import socket
import ssl

import asyncpg
import pytest

from routeguide.errors import StorageUnavailable, StorageUnusable
from routeguide.storage.postgres.errors import DriverError, at_opening, at_run_time

WHERE = "postgresql://host/db"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "it does not answer in time"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "nobody listens there"),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "there is no such host"),
        (asyncpg.TargetServerAttributeNotMatched("standby"), "the database is read-only"),
        (asyncpg.CannotConnectNowError("starting"), "the database is starting or stopping (SQLSTATE 57P03)"),
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
        (asyncpg.UndefinedTableError("no"), "the database failed (SQLSTATE 42P01)"),
    ],
)
def test_what_has_to_be_mended(error: DriverError | ValueError, reason: str) -> None:
    told = at_opening(error, WHERE)
    assert (type(told), str(told)) == (StorageUnusable, f"{WHERE}: {reason}")


def test_a_client_is_told_nothing_of_the_driver() -> None:
    for error in (ConnectionRefusedError("10.0.0.1"), asyncpg.InvalidPasswordError("user me")):
        assert str(at_run_time(error)) == "the store cannot be reached at the moment"
