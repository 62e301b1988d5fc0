"""The servers behind the balancer: `routeguide serve` in processes of their own, as tasks of a cluster."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from alb.envoy import Target

Say = Callable[[str], None]

_HOST = "127.0.0.1"
_STORAGE_URL = "ROUTEGUIDE_STORAGE_URL"
_TIMES = {"ROUTEGUIDE_DRAIN_DELAY": "3", "ROUTEGUIDE_STOP_GRACE": "5"}
"""Seconds: the delay exceeds the interval of the checks times their threshold, as it must everywhere."""
_PATIENCE = 15.0
"""Seconds that a task may take to start, and to end: well above its delay and its grace."""


class Task:
    """A running server."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, say: Say) -> None:
        self.name = name
        self.port = 0
        """Set once the server listens."""
        self._process = process
        self._say = say
        self._serving = asyncio.Event()
        self._log = asyncio.create_task(self._follow())

    @property
    def target(self) -> Target:
        return _HOST, self.port

    @property
    def pid(self) -> int:
        return self._process.pid

    async def serving(self) -> None:
        """Waits until the server serves. Raises RuntimeError: it does not come to that; its log says why."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._serving.wait()
        except TimeoutError:
            raise RuntimeError(f"{self.name} has not begun to serve within {_PATIENCE:g} s") from None
        if not self.port:
            raise RuntimeError(f"{self.name} could not start")

    async def stop(self) -> None:
        """Lets the server drain; one that takes too long is killed."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
        await self._log

    async def _follow(self) -> None:
        """Passes the log on, line by line, until the process ends."""
        assert self._process.stderr is not None  # noqa: S101  # it was started with a pipe
        async for line in self._process.stderr:
            event = _event(line)
            if event.get("event") == "serving":
                self.port = int(event["address"].rpartition(":")[2])
                self._serving.set()
            self._say(f"{self.name}  {line.decode(errors='replace').rstrip()}")
        self._say(f"{self.name}  ended with exit code {await self._process.wait()}")
        self._serving.set()


@asynccontextmanager
async def tasks(count: int, say: Say) -> AsyncGenerator[list[Task], None]:
    """Servers that serve, each on a free port; at the end they drain, all at the same time."""
    started = [await _start(f"task {number}", say) for number in range(1, count + 1)]
    try:
        await asyncio.gather(*(task.serving() for task in started))
        yield started
    finally:
        await asyncio.gather(*(task.stop() for task in started))


async def _start(name: str, say: Say) -> Task:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "routeguide", "serve", "--listen", f"{_HOST}:0", "--log-format", "json"),
        env=_TIMES | {_STORAGE_URL: "memory://"} | os.environ,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for whoever started this, to end things in their order
    )
    return Task(name, process, say)


def _event(line: bytes) -> dict[str, Any]:
    """A line of the log; lines of grpc's core are no events."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}
