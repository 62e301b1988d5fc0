"""A server in a process of its own, as it is deployed: started by the command, ended by a signal."""

import asyncio
import json
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.commands import COMMAND, ended, environment

START_DEADLINE = 30.0
"""Seconds to start within, on a busy machine."""


class ServerProcess:
    """A running `routeguide serve`, and the log that it has written so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._news = asyncio.Event()
        self._looked_at = 0
        self._reading = asyncio.create_task(self._read())
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
            while True:
                self._news.clear()
                while self._looked_at < len(self.log):
                    self._looked_at += 1
                    if self.log[self._looked_at - 1]["event"] == event:
                        return self.log[self._looked_at - 1]
                assert not self._reading.done(), f"it ended before it logged {event!r}: {self.log}"
                await self._news.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and returns the exit code."""
        self._process.send_signal(number)
        return await self.exit_code()

    async def exit_code(self) -> int:
        async with asyncio.timeout(START_DEADLINE):
            await asyncio.wait([self._reading])
            self._reading.result()
            return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def end(self) -> None:
        """Kills it if it still runs."""
        await ended(self._process)
        await asyncio.wait([self._reading])

    async def _read(self) -> None:
        """Reads the log to its end, all the time: a server whose pipe is full would wait for its reader.

        Lines of grpc's core, which are no JSON, are passed over.
        """
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            if line.startswith(b"{"):
                self.log.append(json.loads(line))
                self._news.set()
        self._news.set()


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
    server = ServerProcess(await start(*flags, **variables))
    try:
        server.address = (await server.logged("serving"))["address"]
        yield server
    finally:
        await server.end()
