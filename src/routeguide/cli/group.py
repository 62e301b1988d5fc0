"""The group of all commands, and what becomes of their errors."""

import gc
import os
from importlib import import_module
from types import ModuleType
from typing import Any

import click

from routeguide import __version__
from routeguide.cli.streams import finish_output, prepare_output
from routeguide.errors import RouteGuideError, SettingsError

COMMANDS = {
    "serve": "Run the server until SIGTERM or SIGINT.",
    "demo": "Walk through the four RPCs and print what happens.",
    "get-feature": "Show the feature at a point.",
    "list-features": "List the features inside a rectangle.",
    "record-route": "Travel a route and show its summary.",
    "chat": "Leave notes along a route and read those of others.",
    "migrate": "Bring the database up to date.",
    "features": "Import and export features.",
    "healthcheck": "Ask a server whether it is ready.",
    "config": "Show the effective settings.",
    "dev-certs": "Make throwaway certificates for trying TLS.",
}
"""Every command, in the order of `--help`, with its line there. The dashes of a name are the underscores
of its module and of the command in it."""


class Failed(click.ClickException):
    """Ends the command with lines on stderr and exit code 1."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))

    def show(self, file: Any = None) -> None:
        click.echo(self.message, file=file, err=True)


class Misconfigured(Failed):
    """The same with exit code 2, as for wrong usage."""

    exit_code = 2


class LazyGroup(click.Group):
    """Imports a command when it is called: a health check does not wait for what only a server needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name != "serve":
            # What grpc's core writes to stderr about a failed handshake would stand between the words about
            # it; in a server's log it is welcome. grpc reads this when it is imported.
            os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(_imported(f"routeguide.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, *args: Any, **kwargs: Any) -> Any:
        prepare_output()
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Expected errors become sentences and exit codes; a traceback is a defect of this program."""
        try:
            result = super().invoke(ctx)
            finish_output()
        except SettingsError as error:
            raise Misconfigured(*error.problems) from None
        except RouteGuideError as error:
            raise Failed(f"Error: {error}") from None
        except (KeyboardInterrupt, click.Abort):
            ctx.exit(130)
        return result


def _imported(module: str) -> ModuleType:
    """Without garbage collection, a tenth of a start: what modules make stays."""
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.enable()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="routeguide")
def main() -> None:
    """RouteGuide: the features along a route, and notes between those who travel it."""
