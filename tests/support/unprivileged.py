"""Runs the programs of databases, which refuse to be root, as somebody else where this process is root."""

import os
import pwd
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest


def as_account(*command: str | Path) -> list[str | Path]:
    """`command`, to be run as that user.

    By a program, because `subprocess` with a user has to fork this process, in which gRPC has threads.
    """
    owner = account()
    if owner is None:
        return [*command]
    return ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", *command]


def account() -> pwd.struct_passwd | None:
    """Whom to run programs as: Debian's user for PostgreSQL, or None for who runs the tests."""
    if os.geteuid() != 0:
        return None
    found = [each for each in pwd.getpwall() if each.pw_name == "postgres"]
    return found[0] if found else unavailable("PostgreSQL does not run as root, and has no user here")


def unavailable(reason: str) -> NoReturn:
    """Skips the test, or fails it in CI, where everything is expected to run."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Of that user, who cannot reach pytest's own; short, since the path of a socket may have 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="routeguide-"))
    try:
        if owner := account():
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
