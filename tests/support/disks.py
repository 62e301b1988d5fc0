"""Disks of a test's own, which really are full or read-only. Only root may mount them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, *, kibibytes: int) -> Iterator[Path]:
    """A disk in memory, mounted at `folder`. Skips the test where that is not allowed."""
    folder.mkdir()
    options = f"size={kibibytes}k"
    mounted = _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    if mounted.returncode:
        pytest.skip(f"cannot mount a disk here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        assert _run("umount", str(folder)).returncode == 0


def remount(folder: Path, options: str) -> None:
    """Changes a mounted disk: ``ro``, or another ``size``."""
    result = _run("mount", "-o", f"remount,{options}", str(folder))
    assert result.returncode == 0, result.stderr


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
