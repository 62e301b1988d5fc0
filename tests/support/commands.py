"""Runs the commands as a shell does: as processes, with their own environment and working directory."""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from routeguide.settings import PREFIX

DEADLINE = 30.0
"""Seconds; no command of any test runs longer."""

COMMAND = (sys.executable, "-m", "routeguide")


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


async def run(
    *args: str,
    stdin: str = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Runs `routeguide` with `args` to its end."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *args,
        cwd=cwd,
        env=environment(env),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE):
            out, err = await process.communicate(stdin.encode())
    finally:
        await ended(process)
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


async def ended(process: asyncio.subprocess.Process) -> None:
    """Kills `process` if it still runs."""
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of this process, less the settings in it; warnings end a command."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**own, "PYTHONWARNINGS": "error", **(extra or {})}
