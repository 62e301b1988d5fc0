"""Calls per second: by h2load where it is installed, otherwise by a client on grpc.aio.

h2load costs next to nothing, so the figure is the server's. A Python client costs about as much as the
server does; its figures compare with each other, not with those of h2load.
"""

import asyncio
import re
import shutil
import struct
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from bench.calls import CONNECTIONS, STREAMS, Call, perform
from bench.processes import pinned

_DEADLINE = 120.0
"""Seconds for one run."""

_RATE = re.compile(r"finished in .*, ([0-9.]+) req/s")
_ALL_SUCCEEDED = re.compile(r"requests: (\d+) total, .* (\d+) succeeded,")


def generator() -> str:
    """What makes the load on this machine."""
    return "h2load" if shutil.which("h2load") else "grpc.aio client"


async def calls_per_second(address: str, call: Call) -> float:
    """The rate of `call`, made `call.count` times from a process of its own on the second core.

    Raises:
        RuntimeError: not every call succeeded.
    """
    await _check(address, call)
    if shutil.which("h2load"):
        return await _h2load(address, call)
    return float(await _run([sys.executable, "-m", "bench.client", address, call.method]))


async def _h2load(address: str, call: Call) -> float:
    with TemporaryDirectory() as folder:
        body = _write_body(Path(folder), call)
        headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        load = ["-c", str(CONNECTIONS), "-m", str(STREAMS), "-n", str(call.count), "-d", str(body)]
        report = await _run(["h2load", *load, *headers, f"http://{address}{call.path}"])
    rate, requests = _RATE.search(report), _ALL_SUCCEEDED.search(report)
    if not rate or not requests or requests[1] != requests[2]:
        raise RuntimeError(f"h2load failed:\n{report}")
    return float(rate[1])


def _write_body(folder: Path, call: Call) -> Path:
    """All messages, framed. h2load sends the body, then ends its side: that loads streaming methods, too."""
    body = folder / "body"
    body.write_bytes(b"".join(struct.pack(">BI", 0, len(each)) + each for each in call.messages))
    return body


async def _run(command: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(*pinned(command, core=1), stdout=asyncio.subprocess.PIPE)
    try:
        out, _ = await asyncio.wait_for(process.communicate(), _DEADLINE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return out.decode()


async def _check(address: str, call: Call) -> None:
    """One call by gRPC itself: h2load does not look at grpc-status."""
    async with grpc.aio.insecure_channel(address) as channel:
        await perform(channel, call)
