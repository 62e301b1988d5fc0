"""Envoy as a process, configured and asked."""

import asyncio
import json
import os
import shutil
import sys
import urllib.request
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from alb.envoy import TARGETS_FILE, Target, configuration, discovered
from alb.parameters import Parameters

_ADMIN_FILE = "admin.txt"
_PAUSE = 0.05
"""Seconds between two looks at what cannot be waited for."""


class Balancer:
    """A running Envoy."""

    def __init__(self, folder: Path, parameters: Parameters, process: asyncio.subprocess.Process) -> None:
        self._folder = folder
        self._parameters = parameters
        self.process = process

    def register(self, targets: Sequence[Target]) -> None:
        """Makes these the targets, addresses of IP all of them, and no others.

        Returns at once. One that is new gets calls after its first check; one that is left out gets no new
        ones, and keeps those that it has.
        """
        _write_targets(self._folder, self._parameters, targets)

    async def health(self) -> dict[Target, bool]:
        """Whether Envoy sends calls to each of the registered targets."""
        clusters = await self.ask("/clusters?format=json")
        (hosts,) = [
            each.get("host_statuses", [])
            for each in clusters["cluster_statuses"]
            if each["name"] == "targets"
        ]
        return {_target(host): _is_healthy(host) for host in hosts}

    async def becomes(self, health: dict[Target, bool]) -> None:
        """Waits, for as long as its caller lets it, until `health` is that."""
        while await self.health() != health:  # noqa: ASYNC110  # Envoy has to be asked, it does not tell
            await asyncio.sleep(_PAUSE)

    async def port(self) -> int:
        """The one that clients use."""
        listeners = await self.ask("/listeners?format=json")
        (port,) = [
            each["local_address"]["socket_address"]["port_value"]
            for each in listeners["listener_statuses"]
            if each["name"] == "clients"
        ]
        return int(port)

    async def started(self) -> None:
        """Waits until clients can connect. Raises RuntimeError: Envoy has ended; its stderr says why."""
        while not await self._is_live():
            if self.process.returncode is not None:
                raise RuntimeError(f"Envoy ended with exit code {self.process.returncode}")
            await asyncio.sleep(_PAUSE)

    async def _is_live(self) -> bool:
        with suppress(OSError, ValueError):
            return bool((await self.ask("/server_info"))["state"] == "LIVE")
        return False

    async def ask(self, path: str) -> Any:
        """What Envoy's own interface for administrators answers, of what is JSON."""
        admin = (self._folder / _ADMIN_FILE).read_text()
        return json.loads(await asyncio.to_thread(_fetched, f"http://{admin}{path}"))


@asynccontextmanager
async def balancer(folder: Path, parameters: Parameters) -> AsyncGenerator[Balancer, None]:
    """A balancer that listens, has no targets yet, and keeps its files in `folder`. It ends with the block.

    Raises:
        RuntimeError: Envoy is not installed, or cannot start; its stderr says why.
    """
    (folder / "envoy.json").write_text(json.dumps(configuration(parameters), indent=1))
    _write_targets(folder, parameters, ())
    process = await asyncio.create_subprocess_exec(
        envoy_program(),
        *("--config-path", "envoy.json", "--admin-address-path", _ADMIN_FILE),
        # One worker: round robin is each worker's own, and so exact. It serves thousands of calls a second.
        *("--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"),
        cwd=folder,
        start_new_session=True,  # Ctrl-C is for whoever started this, to end things in their order
    )
    try:
        running = Balancer(folder, parameters, process)
        await running.started()
        yield running
    finally:
        await _ended(process)


def _write_targets(folder: Path, parameters: Parameters, targets: Sequence[Target]) -> None:
    """Envoy looks at the file when it is moved to its place, and so reads it as a whole."""
    draft = folder / f"{TARGETS_FILE}.new"
    draft.write_text(json.dumps(discovered(parameters, targets)))
    draft.replace(folder / TARGETS_FILE)


def envoy_program() -> str:
    """Raises RuntimeError: it is not installed."""
    beside = Path(sys.executable).parent / "envoy"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("envoy")
    if found is None:
        raise RuntimeError("envoy is not installed; there is no wheel of it for this platform")
    return found


async def _ended(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(5):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _fetched(url: str) -> bytes:
    # The address is Envoy's own on this machine's loopback, which no proxy of the environment can reach.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as response:
        return bytes(response.read())


def _target(host: dict[str, Any]) -> Target:
    found = host["address"]["socket_address"]
    return found["address"], found["port_value"]


def _is_healthy(host: dict[str, Any]) -> bool:
    health = host["health_status"]
    failing = any(value is True for name, value in health.items() if name.startswith("failed_"))
    return (
        health.get("eds_health_status") == "HEALTHY" and not failing and not health.get("pending_active_hc")
    )
