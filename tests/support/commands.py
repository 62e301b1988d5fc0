"""Runs the commands as a shell does: as processes, with their own environment and working directory."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from routeguide.settings import PREFIX

DEADLINE = 30.0
"""Seconds; no command of any test runs longer."""

COMMAND = (sys.executable, "-m", "routeguide")

PATIENTLY = ("--deadline", "20")
"""For a health check, which by default ends after three seconds, on a busy machine as well."""


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
    async with started(*args, cwd=cwd, env=env) as process:
        out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def started(
    *args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """A running `routeguide` with `args`; if it outlives the block, it is killed."""
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
            yield process
    finally:
        await ended(process)


def left_in(folder: Path) -> list[Path]:
    """The files that commands left in `folder`."""
    return list(folder.iterdir())


async def ended(process: asyncio.subprocess.Process) -> None:
    """Kills `process` if it still runs."""
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of this process, less the settings in it; warnings end a command."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**own, "PYTHONWARNINGS": "error", **(extra or {})}
