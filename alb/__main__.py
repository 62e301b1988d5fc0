"""`python -m alb`, which `make alb` runs: a balancer and two servers, until Ctrl-C."""

import asyncio
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from alb.balancer import Balancer, balancer
from alb.envoy import Target
from alb.folder import AUTHORITY, CERTIFICATE, KEY, claimed, make_certificates
from alb.matcher import Matcher
from alb.parameters import HealthCheck, Parameters
from alb.tasks import Task, tasks

_READY_WITHIN = 60.0
"""Seconds in which the targets must have passed their first checks, however busy the machine."""
_POSITIVE = click.FloatRange(min=0, min_open=True)


@click.command(context_settings={"show_default": True})
@click.option(
    "--port", default=50051, type=click.IntRange(0, 65535), help="Where clients connect; 0 takes a free one."
)
@click.option(
    "--folder",
    default=Path(".alb"),
    type=click.Path(path_type=Path),
    help="For certificates and Envoy's files; it is made anew.",
)
@click.option("--idle-timeout", default=60.0, type=_POSITIVE, help="Seconds until a quiet stream is cut.")
@click.option("--health-path", "path", default="/AWS.ALB/healthcheck", help="What is asked.")
@click.option("--matcher", default="12", type=Matcher, help="Which grpc-status passes: 12, 0,12 or 0-99.")
@click.option("--interval", default=1.0, type=_POSITIVE, help="Seconds between two health checks.")
@click.option("--timeout", default=1.0, type=_POSITIVE, help="Seconds that a health check may take.")
@click.option(
    "--healthy-threshold",
    default=1,
    type=click.IntRange(1),
    help="Passed checks until a task that failed gets calls again.",
)
@click.option(
    "--unhealthy-threshold",
    default=2,
    type=click.IntRange(1),
    help="Failed checks until a task gets no calls.",
)
def main(port: int, folder: Path, idle_timeout: float, **health: Any) -> None:
    """Put a balancer that behaves like an AWS Application Load Balancer in front of two servers."""
    parameters = Parameters(
        certificate=CERTIFICATE,
        key=KEY,
        listen=("127.0.0.1", port),
        health=HealthCheck(**health),
        idle_timeout=idle_timeout,
    )
    try:
        _refuse_taken(*parameters.listen)
        asyncio.run(_until_signalled(folder, parameters))
    except (RuntimeError, OSError) as error:
        raise click.ClickException(str(error)) from None


def _refuse_taken(host: str, port: int) -> None:
    """Before anything is made or started; Envoy would tell it later, and in lines that are hard to read.

    Raises RuntimeError: another process listens there, or this user may not.
    """
    with socket.socket() as probe:
        # As Envoy does: a port in TIME_WAIT is free, one with a listener is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise RuntimeError(_taken(port, error)) from None


def _taken(port: int, error: OSError) -> str:
    return (
        f"cannot listen on localhost:{port} ({error.strerror}): end what listens there, or choose"
        ' another port; make alb ARGS="--port 0" takes a free one'
    )


async def _until_signalled(folder: Path, parameters: Parameters) -> None:
    """A terminal that is closed counts too (SIGHUP): nothing is to outlive it."""
    running = asyncio.ensure_future(_run(folder, parameters))

    def stop() -> None:
        if not running.cancelling():  # once more would cut the draining short, and leave the tasks alone
            running.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    with suppress(asyncio.CancelledError):
        await running


async def _run(folder: Path, parameters: Parameters) -> None:
    """Raises RuntimeError: it cannot start, or Envoy has ended by itself."""
    began = time.monotonic()
    with claimed(folder):
        await asyncio.to_thread(make_certificates, folder)
        async with (
            balancer(folder, parameters) as running,
            tasks(2, parameters.health.notices_within, click.echo) as servers,
        ):
            targets = [task.target for task in servers]
            running.register(targets)
            await _healthy(running, targets)
            click.echo(_ready(time.monotonic() - began, await running.port(), folder, servers))
            await running.process.wait()
            raise RuntimeError("Envoy has ended")


async def _healthy(running: Balancer, targets: list[Target]) -> None:
    """Raises RuntimeError: not within reasonable time."""
    try:
        async with asyncio.timeout(_READY_WITHIN):
            await running.becomes(dict.fromkeys(targets, True))
    except TimeoutError:
        raise RuntimeError(f"the tasks have not passed a health check within {_READY_WITHIN:g} s") from None


def _ready(seconds: float, port: int, folder: Path, servers: list[Task]) -> str:
    behind = ", ".join(f"{task.name} on port {task.port} (process {task.pid})" for task in servers)
    program = os.path.relpath(Path(sys.executable).with_name("routeguide"))
    authority = os.path.relpath(folder / AUTHORITY)
    return (
        f"Ready after {seconds:.1f} s: localhost:{port} with TLS, and behind it {behind}.\n"
        f"Try: {program} demo --target localhost:{port} --tls --ca-file {authority}\n"
        "Ctrl-C lets the tasks drain and ends it."
    )


if __name__ == "__main__":
    main()
