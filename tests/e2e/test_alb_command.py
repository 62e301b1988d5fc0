"""`make alb`: two servers behind a balancer, for the demo and whoever else calls. About 25 seconds."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
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
PATIENCE = 90.0
"""Seconds until the next line, however busy the machine; on an idle one it is ready after two."""


class Deployment:
    """A running `python -m alb`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def says(self, pattern: str) -> re.Match[str]:
        """The next line that has `pattern` in it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            async for line in self.process.stdout:
                self.said.append(line.decode().rstrip())
                if found := re.search(pattern, self.said[-1]):
                    return found
        raise AssertionError(f"it ended without saying {pattern}: {self.said}")

    async def fails(self) -> str:
        """What it says of why it ends."""
        async with asyncio.timeout(PATIENCE):
            _, err = await self.process.communicate()
        assert self.process.returncode == 1
        assert b"Traceback" not in err
        return err.decode()


@asynccontextmanager
async def deployment(folder: Path, *flags: str, **variables: str) -> AsyncGenerator[Deployment, None]:
    settings = {f"ROUTEGUIDE_{name.upper()}": value for name, value in variables.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alb", "--port", "0", "--folder", str(folder), *flags),
        cwd=ROOT,
        env=environment(settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a process group of its own, as at a terminal
    )
    try:
        yield Deployment(process)
    finally:
        with suppress(ProcessLookupError, TimeoutError):  # killed at once, it would leave its servers behind
            process.terminate()
            await asyncio.wait_for(process.wait(), PATIENCE)
        await ended(process)


def is_alive(pid: str) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_the_demo_through_tls_is_the_transcript(tmp_path: Path) -> None:
    async with deployment(tmp_path / "alb") as running:
        ready = await running.says(r"Ready after .* s: (localhost:\d+) .*process (\d+)\).*process (\d+)\)")
        print(ready[0])  # noqa: T201  # how long it took: `pytest -rP` shows it
        address, *pids = ready.groups()
        flags = (await running.says(r"Try: \S+/routeguide (demo .*)"))[1].split()

        first = await run(*flags, cwd=ROOT)

        assert flags[:4] == ["demo", "--target", address, "--tls"]
        assert (first.code, first.err) == (0, "")
        assert comparable(first.out) == comparable(TRANSCRIPT)
        assert all(map(is_alive, pids))
        os.killpg(running.process.pid, signal.SIGINT)  # Ctrl-C
        await running.says("ended with exit code 0")
        await running.says("ended with exit code 0")
        async with asyncio.timeout(PATIENCE):
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

        running.process.send_signal(signal.SIGHUP)  # the terminal is closed
        await running.says("ended with exit code 0")
        async with asyncio.timeout(PATIENCE):
            assert await running.process.wait() == 0


async def test_the_tasks_drain_for_as_long_as_the_balancer_may_take(tmp_path: Path) -> None:
    """Of their logs it reads what it needs, whatever is set; what they may take to stop comes from there."""
    flags = (
        "--interval",
        "0.5",
        "--timeout",
        "0.7",
        "--unhealthy-threshold",
        "3",
        "--healthy-threshold",
        "2",
    )
    async with deployment(tmp_path / "alb", *flags, log_level="warning") as running:
        timing = await running.says(r"stop timing")
        assert '"delay": 3.6,' in timing.string
        await running.says("Ready after")
        running.process.terminate()
        async with asyncio.timeout(PATIENCE):
            await running.process.communicate()
        assert running.process.returncode == 0


async def test_what_is_in_its_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    async with deployment(tmp_path) as running:
        assert "was not made by this command" in await running.fails()
    async with deployment(tmp_path / "precious" / "alb") as running:
        assert "Not a directory" in await running.fails()


@contextmanager
def taken_port() -> Iterator[int]:
    """One with a listener that would share it."""
    with socket.socket() as first:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as Envoy does by default
        first.bind(("127.0.0.1", 0))
        first.listen()
        yield first.getsockname()[1]


async def test_a_port_that_is_taken_is_said_in_one_line_before_anything_is_made(tmp_path: Path) -> None:
    with taken_port() as port:
        async with deployment(tmp_path / "alb", "--port", str(port)) as running:
            (line,) = (await running.fails()).splitlines()

    assert line.startswith(f"Error: cannot listen on localhost:{port} (Address already in use): end what")
    assert "choose another port" in line
    assert not (tmp_path / "alb").exists()


async def test_a_second_balancer_does_not_take_the_port_of_the_first(tmp_path: Path) -> None:
    """Not even where it is taken between the look at it and Envoy's start."""
    with taken_port() as port, pytest.raises(RuntimeError, match="Envoy ended with exit code 1"):
        async with alb(tmp_path, listen=("127.0.0.1", port)):
            pass


async def test_calls_spread_evenly_over_both_tasks(tmp_path: Path) -> None:
    async with task(access_log="all") as one, task(access_log="all") as other:
        async with alb(tmp_path, target(one), target(other)) as balancer, balancer.stub() as stub:
            for i in range(100):  # one after the other, on one connection
                await stub.GetFeature(point(i, i), timeout=DEADLINE)
        assert [await server.stop() for server in (one, other)] == [0, 0]

    assert [calls(server) for server in (one, other)] == [{"GetFeature: OK": 50}] * 2
