"""How much memory the process may use before Linux kills it, as its control groups (cgroups) say.

A process is in a tree of cgroups and bound by the limits of its own and of all above. A container mostly sees
its own as the root of the tree: by a namespace, or because only that part is mounted while
``/proc/self/cgroup`` still tells the path on the host. So every place from that path up to the root is looked
at, and what is not there does not count. The files: docs.kernel.org/admin-guide/cgroup-v2.html and
docs.kernel.org/admin-guide/cgroup-v1/memory.html
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_LIMIT = re.compile(r"^(?:hierarchical_memory_limit )?([0-9]{1,19})$", re.MULTILINE)
"""A number alone, or the line of version 1's memory.stat that counts all limits above, hidden or not."""

_UNLIMITED = 2**62
"""Version 1 has no word for it but a number near 2**63; which one depends on the size of a page."""


def memory_limit_mb() -> int | None:
    """`memory_limit` in units of 2**20 bytes, in which containers are given theirs."""
    limit = memory_limit()
    return None if limit is None else limit // 2**20


def memory_limit(root: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc/self/cgroup")) -> int | None:
    """The smallest limit that binds this process, in bytes; None where none is to be seen. Never raises.

    Args:
        root: where cgroups are mounted, of version 2 or 1 or, as some systems have it, both.
        proc: which cgroups the process is in.
    """
    numbers = [int(number) for file in _files(root, proc) for number in _LIMIT.findall(_text(file))]
    return min((number for number in numbers if 0 < number < _UNLIMITED), default=None)


def _files(root: Path, proc: Path) -> Iterator[Path]:
    """Those that may hold a limit."""
    own = _own_paths(proc)
    for folder in _upwards(root, own.get("", "/")):
        yield folder / "memory.max"
    for folder in _upwards(root / "memory", own.get("memory", "/")):
        yield folder / "memory.limit_in_bytes"
        yield folder / "memory.stat"


def _own_paths(proc: Path) -> dict[str, str]:
    """The cgroup of this process for each controller; version 2 has one for all of them, named ""."""
    paths: dict[str, str] = {}
    for line in _text(proc).split("\n"):
        number, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if number and colon:
            paths |= dict.fromkeys(controllers.split(","), path)
    return paths


def _upwards(mount: Path, path: str) -> list[Path]:
    """The cgroup at `path` and all above it that `mount` shows."""
    parts = PurePosixPath(path.lstrip("/")).parts
    if ".." in parts:  # the process was moved out of its namespace
        return [mount]
    return [mount.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape")
    except (OSError, ValueError):  # not there, not ours to read, or no name for a file at all
        return ""
