"""How commands print: for people on a terminal, or in full for a pipe."""

import click
from rich.console import Console

from routeguide.cli.settings_options import Function
from routeguide.cli.streams import encode_as_utf8
from routeguide.domain.models import Point
from routeguide.formats.values import to_degrees

_UNLIMITED = 10_000
"""Columns, where nobody's screen sets them: rows in a pipe or a file are neither cut nor folded."""


def format_option(function: Function) -> Function:
    """Gives a command `--format`; it gets `output`, which is text or json."""
    return click.option(
        "--format",
        "output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        callback=_prepared,
        help="text is for people and may change; json is for programs.",
    )(function)


def _prepared(_ctx: click.Context, _param: click.Parameter, output: str) -> str:
    if output == "json":
        encode_as_utf8()
    return output


def wide_console() -> Console:
    """A console as wide as the terminal; without bounds or colours where there is none."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _UNLIMITED
    return console


def degrees(e7: int) -> str:
    """Degrees with all their seven decimals, so that columns align and nothing is lost."""
    return f"{to_degrees(e7):.7f}"


def place(location: Point) -> str:
    """A location in degrees, in the grammar that the commands read."""
    return f"{degrees(location.latitude)},{degrees(location.longitude)}"


def printable(text: str) -> str:
    """`text` with control characters spelt out: what others wrote must not steer the reader's terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
