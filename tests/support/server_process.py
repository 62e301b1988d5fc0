"""A server in a process of its own, as it is deployed: started by the command, ended by a signal."""

import asyncio
import json
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.commands import COMMAND, ended, environment

START_DEADLINE = 20.0
"""Seconds to start within, on a busy machine."""


class ServerProcess:
    """A running `routeguide serve`, and the log that it has written so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.log: list[dict[str, Any]] = []
        self.address = ""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def resident(self) -> int:
        """Bytes of memory that it has, as Linux tells them."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the process is gone")

    async def logged(self, event: str) -> dict[str, Any]:
        """The next entry of the log that tells of `event`."""
        async with asyncio.timeout(START_DEADLINE):
            while entry := await self._next_entry():
                if entry["event"] == event:
                    return entry
        raise AssertionError(f"the server ended before it logged {event!r}: {self.log}")

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and returns the exit code."""
        self._process.send_signal(number)
        return await self.exit_code()

    async def exit_code(self) -> int:
        async with asyncio.timeout(START_DEADLINE):
            while await self._next_entry():
                pass
            return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def _next_entry(self) -> dict[str, Any] | None:
        """The next line of the log; lines of grpc's core, which are no JSON, are passed over."""
        assert self._process.stderr is not None
        while line := await self._process.stderr.readline():
            if line.startswith(b"{"):
                self.log.append(json.loads(line))
                return self.log[-1]
        return None


async def start(*flags: str, **variables: str) -> asyncio.subprocess.Process:
    """Starts `routeguide serve` on a free port with `flags` and variables, and does not wait for it."""
    settings = {f"ROUTEGUIDE_{name.upper()}": value for name, value in variables.items()}
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        "serve",
        "--listen=localhost:0",
        "--log-format=json",
        *flags,
        env=environment(settings),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def server_process(*flags: str, **variables: str) -> AsyncGenerator[ServerProcess, None]:
    """A server that is ready; it is killed at the end."""
    process = await start(*flags, **variables)
    try:
        server = ServerProcess(process)
        server.address = (await server.logged("serving"))["address"]
        yield server
    finally:
        await ended(process)
