"""The folder of a running balancer: its certificates and Envoy's files."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CERTIFICATE = "certs/server.pem"
KEY = "certs/server.key"
AUTHORITY = "certs/ca.pem"

_MARKER = ".made-by-alb"
"""Says that what else is in the folder may be removed, and is locked while somebody uses it."""
_PATIENCE = 60.0
"""Seconds that certificates may take: a bound on what hangs, not on what a busy machine does slowly."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """`folder` is the block's own, and empty but for a hidden file; what a run before left in it is gone.

    Raises:
        RuntimeError: what is in it is somebody else's, or another process is in such a block.
        OSError: it cannot be made.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARKER).exists():
        raise RuntimeError(f"{folder} was not made by this command, which would remove what is in it")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _MARKER).open("w") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"{folder} is in use; another balancer wants a --folder of its own") from None
        _empty(folder)
        yield


def make_certificates(folder: Path) -> None:
    """Makes `CERTIFICATE`, `KEY` and `AUTHORITY`.

    Raises RuntimeError: they could not be made; the stderr of the command that makes them says why.
    """
    command = [sys.executable, "-m", "routeguide", "dev-certs", os.fspath(folder / "certs")]
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=_PATIENCE)  # noqa: S603  # nothing of it comes from outside
    except subprocess.SubprocessError as error:
        raise RuntimeError("the certificates could not be made") from error


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != _MARKER:
            entry.unlink()
