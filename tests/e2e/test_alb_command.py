"""`make alb`: two servers behind a balancer, for the demo and whoever else calls. About 20 seconds."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from routeguide.client import ClientTls, RouteGuideClient
from routeguide.domain.models import Point
from tests.e2e.test_commands_demo import TRANSCRIPT, comparable
from tests.support.alb import alb, calls, target, task
from tests.support.commands import ended, environment, run
from tests.support.wire import DEADLINE, point

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parents[2]
READY_WITHIN = 20.0
"""Seconds, as promised; it takes two on an idle machine."""


class Deployment:
    """A running `python -m alb`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def says(self, pattern: str) -> re.Match[str]:
        """The next line that has `pattern` in it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(READY_WITHIN):
            async for line in self.process.stdout:
                self.said.append(line.decode().rstrip())
                if found := re.search(pattern, self.said[-1]):
                    return found
        raise AssertionError(f"it ended without saying {pattern}: {self.said}")


@asynccontextmanager
async def deployment(folder: Path) -> AsyncGenerator[Deployment, None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alb", "--port", "0", "--folder", str(folder)),
        cwd=ROOT,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # a process group of its own, as at a terminal
    )
    try:
        yield Deployment(process)
    finally:
        await ended(process)


def is_alive(pid: str) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_up_in_time_and_the_demo_through_tls_is_the_transcript(tmp_path: Path) -> None:
    began = time.monotonic()
    async with deployment(tmp_path / "alb") as running:
        ready = await running.says(r"Ready after .* s: (localhost:\d+) .*process (\d+)\).*process (\d+)\)")
        assert time.monotonic() - began < READY_WITHIN
        address, *pids = ready.groups()
        flags = (await running.says(r"Try: routeguide (demo .*)"))[1].split()

        first = await run(*flags, cwd=ROOT)

        assert flags[:4] == ["demo", "--target", address, "--tls"]
        assert (first.code, first.err) == (0, "")
        assert comparable(first.out) == comparable(TRANSCRIPT)
        assert all(map(is_alive, pids))
        os.killpg(running.process.pid, signal.SIGINT)  # Ctrl-C
        await running.says("ended with exit code 0")
        await running.says("ended with exit code 0")
        async with asyncio.timeout(READY_WITHIN):
            assert await running.process.wait() == 0
        assert not any(map(is_alive, pids))


async def test_a_task_that_ends_is_told_and_the_other_serves_on(tmp_path: Path) -> None:
    async with deployment(tmp_path / "alb") as running:
        address, pid = (await running.says(r"Ready after .* s: (localhost:\d+) .*process (\d+)\),")).groups()
        os.kill(int(pid), signal.SIGKILL)
        await running.says("task 1  ended with exit code -9")

        tls = ClientTls(ca_file=str(tmp_path / "alb" / "certs" / "ca.pem"))
        async with RouteGuideClient(address, tls=tls, deadline=DEADLINE) as client:
            for i in range(10):  # tried again where the balancer has not noticed yet
                await client.get_feature(Point(i, i))

        running.process.terminate()
        await running.says("ended with exit code 0")
        async with asyncio.timeout(READY_WITHIN):
            assert await running.process.wait() == 0


async def test_a_folder_of_somebody_else_s_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.touch()
    async with deployment(tmp_path) as running, asyncio.timeout(DEADLINE):
        assert await running.process.wait() == 1
    assert precious.exists()


async def test_calls_spread_evenly_over_both_tasks(tmp_path: Path) -> None:
    async with task(access_log="all") as one, task(access_log="all") as other:
        async with alb(tmp_path, target(one), target(other)) as balancer, balancer.stub() as stub:
            for i in range(100):  # one after the other, on one connection
                await stub.GetFeature(point(i, i), timeout=DEADLINE)
        assert [await server.stop() for server in (one, other)] == [0, 0]

    assert [calls(server) for server in (one, other)] == [{"GetFeature: OK": 50}] * 2
