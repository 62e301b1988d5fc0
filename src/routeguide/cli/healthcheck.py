"""`routeguide healthcheck`"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import TIMEOUT_MAX, Timer
from typing import Any

import click
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from routeguide.cli.group import Failed
from routeguide.cli.target import Server, deadline_option, probed_server_options
from routeguide.errors import SettingsError

_OPTIONS: list[tuple[str, int | str]] = [("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0)]
"""The server is asked itself, and once: whoever runs the check repeats it."""

_SERVING = health_pb2.HealthCheckResponse.SERVING


class _ZeroOrOne(click.Command):
    """Docker reserves the exit code 2, which wrong usage and settings have everywhere else."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _failing_with_one():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _ended_in_time(ctx.params["deadline"], ctx.params["target"]), _failing_with_one():
            return super().invoke(ctx)


@contextmanager
def _ended_in_time(deadline: float, target: str | None) -> Iterator[None]:
    """Ends the process when the block takes longer. The call is only a part of the check: names are looked
    up and handshakes made as well, in calls of the system that nothing else interrupts."""
    words = f"{target or 'the server of the settings'} did not answer within {deadline:g} seconds"
    timer = Timer(min(deadline, TIMEOUT_MAX), _end, [words])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(words: str) -> None:
    click.echo(words, err=True)
    os._exit(1)


@contextmanager
def _failing_with_one() -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        raise Failed(*error.problems) from None
    except click.UsageError as error:
        raise Failed(error.format_message()) from None


@click.command(cls=_ZeroOrOne)
@probed_server_options
@deadline_option(3.0, of="whole check")
def healthcheck(server: Server, deadline: float) -> None:
    """Ask a server's own health service whether it is ready. Exit code 0 if so, otherwise 1, always.

    Without --target the settings say where the server is, and whatever certificate it shows there is
    trusted, unless it has expired. With --target no settings are read, which takes half of the time.
    """
    with _channel(server) as channel:
        try:
            status = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=deadline
            )
        except grpc.RpcError as error:
            raise Failed(f"{server.target} is not healthy: {_why(error, server)}") from None
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(status.status)
    if status.status != _SERVING:
        raise Failed(f"{server.target} is not ready: {name}")
    click.echo(name)


def _channel(server: Server) -> grpc.Channel:
    if server.tls is None:
        return grpc.insecure_channel(server.target, options=_OPTIONS)
    options = _OPTIONS + server.tls.options()
    return grpc.secure_channel(server.target, server.tls.credentials(), options=options)


def _why(error: grpc.RpcError, server: Server) -> str:
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        from routeguide.client.handshake import obstacle  # noqa: PLC0415  # only where it is needed

        if found := obstacle(server.target, server.tls):
            return found
    return f"{error.code().name}: {error.details()}"
