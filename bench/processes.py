"""The processes that are measured: each started on its own core, and stopped at the end."""

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

_START_DEADLINE = 180.0
"""Seconds until a server must be ready; one that seeds a million features into memory takes some."""
_STOP_DEADLINE = 20.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready."""

    pid: int
    address: str

    def resident_megabytes(self) -> float:
        """Memory that the process holds now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError(f"process {self.pid} has no memory")

    def cpu_seconds(self) -> float:
        """Time that the threads of the process have had a core so far, to the nanosecond.

        /proc has it only in hundredths of a second. Linux makes the clock's number of the process's as here;
        clock_getcpuclockid(3) would give it, but Python has no such function.
        """
        return time.clock_gettime(~self.pid << 3 | 2)


def pinned(command: Sequence[str], core: int) -> list[str]:
    """`command`, kept on one core where the machine has several: load and server must not share one."""
    if shutil.which("taskset") and core < (os.cpu_count() or 1):
        return ["taskset", "--cpu-list", str(core), *command]
    return list(command)


@asynccontextmanager
async def routeguide(*flags: str) -> AsyncGenerator[Server, None]:
    """`routeguide serve` on a free port."""
    command = [sys.executable, "-m", "routeguide", "serve", "--listen", "127.0.0.1:0", "--log-format", "json"]
    async with _started([*command, *flags]) as server:
        yield server


@asynccontextmanager
async def floor() -> AsyncGenerator[Server, None]:
    """A grpc.aio server that does nothing but move messages: what is left of it is the library's cost."""
    async with _started([sys.executable, "-m", "bench.floor"]) as server:
        yield server


@asynccontextmanager
async def bare() -> AsyncGenerator[Server, None]:
    """The server without the chain around its calls."""
    async with _started([sys.executable, "-m", "bench.bare"]) as server:
        yield server


@asynccontextmanager
async def _started(command: list[str]) -> AsyncGenerator[Server, None]:
    with TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(*pinned(command, core=0), stderr=log)
        try:
            address = await asyncio.wait_for(_address(process, log.fileno()), _START_DEADLINE)
            yield Server(process.pid, address)
        finally:
            await _stop(process)


async def _address(process: asyncio.subprocess.Process, log: int) -> str:
    """Where the server listens, from the line of its log that says so."""
    while process.returncode is None:
        for line in os.pread(log, 1 << 20, 0).splitlines():
            if b'"serving"' in line:
                return str(json.loads(line)["address"])
        await asyncio.sleep(0.02)
    raise RuntimeError(f"the server did not start: {os.pread(log, 1 << 20, 0).decode()}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_DEADLINE)
    except TimeoutError:
        process.kill()
        await process.wait()
