"""Importing and exporting many features: what the commands take, in time and in memory."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_DEADLINE = 300.0

_PROGRAM = """
import re, sys
from pathlib import Path
from routeguide.cli import main

main(sys.argv[1:], standalone_mode=False)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
"""Runs a command and tells the most memory that it held. What the system says of a child that has ended,
ru_maxrss, begins with what the process held that started it, and the bench is larger than the command."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one command, its start included."""

    seconds: float
    megabytes: float
    """Resident memory at its peak."""


def import_features(file: Path, url: str) -> Cost:
    return _run("features", "import", str(file), "--storage-url", url)


def export_features(file: Path, url: str) -> Cost:
    return _run("features", "export", str(file), "--storage-url", url)


def _run(*args: str) -> Cost:
    started = time.perf_counter()
    finished = subprocess.run(  # noqa: S603  # a command of this project
        [sys.executable, "-c", _PROGRAM, *args], check=True, stdout=subprocess.PIPE, timeout=_DEADLINE
    )
    seconds = time.perf_counter() - started
    return Cost(seconds, int(finished.stdout.splitlines()[-1]) / 1024)
