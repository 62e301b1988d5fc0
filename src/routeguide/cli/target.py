"""Which server a command calls, and how long it waits."""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

Function = TypeVar("Function", bound=Callable[..., Any])

_WILDCARDS = {
    "::": "localhost",  # serves IPv4 as well; the name finds whichever this machine has
    "0.0.0.0": "127.0.0.1",  # noqa: S104  # compared with, not bound
}


def target_option(function: Function) -> Function:
    """Gives a command `--target`; it gets `target`, by default the server that the settings describe."""
    return click.option(
        "--target",
        metavar="HOST:PORT",
        callback=lambda _ctx, _param, value: value or target_of(_listen()),
        help="The server to call.  [default: where the settings have it listen]",
    )(function)


def deadline_option(default: float | None = None) -> Callable[[Function], Function]:
    """Gives a command `--deadline`; it gets `deadline`, seconds or None."""
    shown = "none" if default is None else f"{default:g}"
    return click.option(
        "--deadline",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        default=default,
        help=f"How long the call may take.  [default: {shown}]",
    )


def target_of(listen: str) -> str:
    """Where on this machine a server that listens on `listen` is reached."""
    parts = urlsplit(f"//{listen}")
    if parts.port == 0:
        raise click.UsageError(
            f"a server that listens on {listen} takes any free port; name it with --target"
        )
    host = _WILDCARDS.get(parts.hostname or "")
    return f"{host}:{parts.port}" if host else listen


def _listen() -> str:
    # The settings and pydantic are half of the start-up of a health check, which --target spares.
    from routeguide.cli.settings_options import load_settings  # noqa: PLC0415  # only where it is needed

    return load_settings({}).listen
