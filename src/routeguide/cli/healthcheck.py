"""`routeguide healthcheck`"""

from typing import Any

import click
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from routeguide.cli.group import Failed
from routeguide.cli.target import deadline_option, target_option
from routeguide.errors import SettingsError

_OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0)]
"""The server is asked itself, and once: whoever runs the check repeats it."""

_SERVING = health_pb2.HealthCheckResponse.SERVING


class _ZeroOrOne(click.Command):
    """Docker reserves the exit code 2, which wrong usage and settings have everywhere else."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except SettingsError as error:
            raise Failed(*error.problems) from None
        except click.UsageError as error:
            raise Failed(error.format_message()) from None


@click.command(cls=_ZeroOrOne)
@target_option
@deadline_option(3.0)
def healthcheck(target: str, deadline: float) -> None:
    """Ask a server's own health service whether it is ready. Exit code 0 if so, otherwise 1, always.

    With --target no settings are read, which takes half of the time.
    """
    with grpc.insecure_channel(target, options=_OPTIONS) as channel:
        try:
            status = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=deadline
            )
        except grpc.RpcError as error:
            raise Failed(f"{target} is not healthy: {error.code().name}: {error.details()}") from None
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(status.status)
    if status.status != _SERVING:
        raise Failed(f"{target} is not ready: {name}")
    click.echo(name)
