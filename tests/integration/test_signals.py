"""Signals at the wrong moment, to a process among others and to the first of a container."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.commands import COMMAND, DEADLINE, ended, environment
from tests.support.server_process import START_DEADLINE, ServerProcess

SERVE = ("serve", "--listen=localhost:0", "--storage-url=memory://", "--log-format=json")

SIGNALLED_WHILE_IT_IMPORTS = f"""
import os, signal, sys

class Signalling:
    def find_spec(self, name, path=None, target=None):
        if name == "grpc":
            os.kill(os.getpid(), signal.Signals[sys.argv.pop()])

sys.meta_path.insert(0, Signalling())
sys.argv[1:1] = {list(SERVE)}
from routeguide.cli import main
main()
"""


@pytest.fixture(scope="module")
def as_first() -> list[str]:
    """What makes a command the first process of a namespace, as it is in a container."""
    program = shutil.which("unshare")
    if program is None:
        pytest.skip("there is no unshare (util-linux)")
    command = [program, "--pid", "--fork", "--kill-child"]
    if os.geteuid() != 0:
        command.append("--map-root-user")
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no namespace of processes may be made here: {tried.stderr.strip()}")
    return command


@pytest.fixture(params=["among others", "first"])
def prefix(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.getfixturevalue("as_first") if request.param == "first" else []
    return found


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
async def test_signal_while_the_server_is_imported_ends_it_well(prefix: list[str], name: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *prefix, sys.executable, "-c", SIGNALLED_WHILE_IT_IMPORTS, name, env=environment()
    )
    try:
        async with asyncio.timeout(DEADLINE):
            assert await process.wait() == 0
    finally:
        await ended(process)


@asynccontextmanager
async def draining_first(as_first: list[str]) -> AsyncGenerator[tuple[ServerProcess, int], None]:
    """The first process of a namespace, which has had a signal and drains for long, and its id out here."""
    process = await asyncio.create_subprocess_exec(
        *as_first, *COMMAND, *SERVE, "--drain-delay=60", env=environment(), stderr=asyncio.subprocess.PIPE
    )
    server = ServerProcess(process)
    try:
        await server.logged("serving")
        [first] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(first), signal.SIGTERM)
        await server.logged("draining")
        yield server, int(first)
    finally:
        await server.end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_second_signal_ends_the_first_process_too(as_first: list[str], number: signal.Signals) -> None:
    async with draining_first(as_first) as (server, first):
        os.kill(first, number)
        async with asyncio.timeout(START_DEADLINE):
            assert await server.exit_code() == 128 + number
