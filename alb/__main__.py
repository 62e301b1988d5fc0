"""`python -m alb`, which `make alb` runs: a balancer and two servers, until Ctrl-C."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

from alb.balancer import Balancer, balancer
from alb.envoy import Target
from alb.matcher import Matcher
from alb.parameters import HealthCheck, Parameters
from alb.tasks import Task, tasks

_READY_WITHIN = 20.0
"""Seconds in which the targets must have passed their first checks."""


@click.command()
@click.option("--port", default=50051, show_default=True, help="Where clients connect; 0 takes a free one.")
@click.option(
    "--folder",
    default=Path(".alb"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="For certificates and Envoy's files; it is made anew.",
)
@click.option("--idle-timeout", default=60.0, show_default=True, help="Seconds until a quiet stream is cut.")
@click.option(
    "--health-path", "path", default="/AWS.ALB/healthcheck", show_default=True, help="What is asked."
)
@click.option(
    "--matcher",
    default="12",
    show_default=True,
    type=Matcher,
    help="Which grpc-status passes: 12, 0,12 or 0-99.",
)
@click.option("--interval", default=1.0, show_default=True, help="Seconds between two health checks.")
@click.option(
    "--unhealthy-threshold", default=2, show_default=True, help="Failed checks until a task gets no calls."
)
def main(port: int, folder: Path, idle_timeout: float, **health: Any) -> None:
    """Put a balancer that behaves like an AWS Application Load Balancer in front of two servers."""
    parameters = Parameters(
        certificate="certs/server.pem",
        key="certs/server.key",
        listen=("127.0.0.1", port),
        health=HealthCheck(**health),
        idle_timeout=idle_timeout,
    )
    try:
        asyncio.run(_run(folder, parameters))
    except RuntimeError as error:
        raise click.ClickException(str(error)) from None


async def _run(folder: Path, parameters: Parameters) -> None:
    stopped = _signalled()
    began = time.monotonic()
    await asyncio.to_thread(_prepare, folder)
    async with balancer(folder, parameters) as running, tasks(2, click.echo) as servers:
        targets = [task.target for task in servers]
        running.register(targets)
        await _healthy(running, targets)
        click.echo(_ready(time.monotonic() - began, await running.port(), folder, servers))
        await _until(stopped, running)


async def _healthy(running: Balancer, targets: list[Target]) -> None:
    """Raises RuntimeError: not within reasonable time."""
    try:
        async with asyncio.timeout(_READY_WITHIN):
            await running.becomes(dict.fromkeys(targets, True))
    except TimeoutError:
        raise RuntimeError(f"the tasks have not passed a health check within {_READY_WITHIN:g} s") from None


def _signalled() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _prepare(folder: Path) -> None:
    """Leaves in `folder` certificates, and nothing else. Raises RuntimeError: it is somebody else's."""
    if folder.exists():
        if not (folder / "envoy.json").exists():
            raise RuntimeError(f"{folder} was not made by this command, which would remove what is in it")
        shutil.rmtree(folder)
    command = [sys.executable, "-m", "routeguide", "dev-certs", str(folder / "certs")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # nothing of it comes from outside


def _ready(seconds: float, port: int, folder: Path, servers: list[Task]) -> str:
    behind = ", ".join(f"{task.name} on port {task.port} (process {task.pid})" for task in servers)
    authority = os.path.relpath(folder / "certs" / "ca.pem")
    return (
        f"Ready after {seconds:.1f} s: localhost:{port} with TLS, and behind it {behind}.\n"
        f"Try: routeguide demo --target localhost:{port} --tls --ca-file {authority}\n"
        "Ctrl-C lets the tasks drain and ends it."
    )


async def _until(stopped: asyncio.Event, running: Balancer) -> None:
    """Raises RuntimeError: Envoy has ended by itself."""
    waiting = {asyncio.ensure_future(stopped.wait()), asyncio.ensure_future(running.process.wait())}
    _, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
    if not stopped.is_set():
        raise RuntimeError("Envoy has ended")


if __name__ == "__main__":
    main()
