"""Runs the programs of databases, which refuse to be root, as somebody else where this process is root."""

import os
import pwd
import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PORTS_OF_CLIENTS = Path("/proc/sys/net/ipv4/ip_local_port_range")

_ATTEMPTS = 50


class Unavailable(Exception):
    """This machine lacks what is to be run; the text says what, and how to get it."""


def as_account(*command: str | Path) -> list[str | Path]:
    """`command`, to be run as that user.

    By a program, because `subprocess` with a user has to fork this process, in which gRPC has threads.
    """
    owner = account()
    if owner is None:
        return [*command]
    return ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", *command]


def account() -> pwd.struct_passwd | None:
    """Whom to run programs as: Debian's user for PostgreSQL, or None for who runs this one.

    Raises:
        Unavailable: that user is needed and missing.
    """
    if os.geteuid() != 0:
        return None
    for each in pwd.getpwall():
        if each.pw_name == "postgres":
            return each
    raise Unavailable("PostgreSQL does not run as root, and has no user here")


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
    """A port of loopback that nobody listens on.

    Outside of the range from which the kernel takes the ports of clients: while a server restarts, one of
    those who try to reach it might be given its port, and keep it.
    """
    first_of_clients = int(_PORTS_OF_CLIENTS.read_text().split()[0])
    others = range(1024, first_of_clients)
    for port in random.sample(others, min(len(others), _ATTEMPTS)) or [0]:
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise AssertionError(f"{_ATTEMPTS} ports are in use")
