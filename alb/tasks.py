"""The servers behind the balancer: `routeguide serve` in processes of their own, as tasks of a cluster."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from alb.envoy import Target

Say = Callable[[str], None]

_HOST = "127.0.0.1"
_STORAGE_URL = "ROUTEGUIDE_STORAGE_URL"
_DRAIN_DELAY = "ROUTEGUIDE_DRAIN_DELAY"
_STOP_GRACE = "ROUTEGUIDE_STOP_GRACE"
_START_WITHIN = 60.0
_MARGIN = 30.0
"""Seconds beyond what a stop may take. Like those of the start, for what hangs, not for what is slow."""


class Task:
    """A running server."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, say: Say) -> None:
        self.name = name
        self.port = 0
        """Set once the server listens."""
        self._stops_within = 0.0
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
            async with asyncio.timeout(_START_WITHIN):
                await self._serving.wait()
        except TimeoutError:
            raise RuntimeError(f"{self.name} has not begun to serve within {_START_WITHIN:g} s") from None
        if not self.port:
            raise RuntimeError(f"{self.name} could not start")

    async def stop(self) -> None:
        """Lets the server drain; one that takes longer than it said at its start is killed."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(self._stops_within + _MARGIN):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
        await self._log

    async def _follow(self) -> None:
        """Passes the log on, line by line, until the process ends."""
        assert self._process.stderr is not None  # noqa: S101  # it was started with a pipe
        async for line in self._process.stderr:
            self._note(_event(line))
            self._say(f"{self.name}  {line.decode(errors='replace').rstrip()}")
        self._say(f"{self.name}  ended with exit code {await self._process.wait()}")
        self._serving.set()

    def _note(self, event: dict[str, Any]) -> None:
        if event.get("event") == "stop timing":
            self._stops_within = event["longest"]
        if event.get("event") == "serving":
            self.port = int(event["address"].rpartition(":")[2])
            self._serving.set()


@asynccontextmanager
async def tasks(count: int, drain_delay: float, say: Say) -> AsyncGenerator[list[Task], None]:
    """Servers that serve, each on a free port; at the end they drain, all at the same time.

    `drain_delay` are the seconds that their balancer may take to notice. What the environment says of this
    or of other settings wins. Raises RuntimeError: a server does not start.
    """
    environment = {_DRAIN_DELAY: f"{drain_delay:g}", _STOP_GRACE: "5", _STORAGE_URL: "memory://"} | os.environ
    started: list[Task] = []
    try:
        for number in range(1, count + 1):
            started.append(await _start(f"task {number}", environment, say))  # noqa: PERF401  # those before one that fails are to be stopped
        await asyncio.gather(*(task.serving() for task in started))
        yield started
    finally:
        await asyncio.gather(*(task.stop() for task in started))


async def _start(name: str, environment: Mapping[str, str], say: Say) -> Task:
    # Whatever the environment says: `Task` reads the log.
    log = ("--log-format", "json", "--log-level", "info")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "routeguide", "serve", "--listen", f"{_HOST}:0", *log),
        env=environment,
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
