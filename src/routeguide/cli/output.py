"""How commands print: for people on a terminal, or in full for a pipe."""

from typing import Any

import click
from rich.console import Console

_UNLIMITED = 10_000
"""Columns, where nobody's screen sets them: rows in a pipe or a file are neither cut nor folded."""

format_option: Any = click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="text is for people and may change; json is for programs.",
)


def wide_console() -> Console:
    """A console that is as wide as the terminal, and without bounds or colours where there is none."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _UNLIMITED
    return console


def printable(text: str) -> str:
    """`text` with control characters spelt out: what others wrote must not steer the reader's terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
