"""`routeguide chat`"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, nullcontext
from functools import partial

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from routeguide.cli.conversation import HELP, Conversation, note_json, note_text
from routeguide.cli.lines import read_lines
from routeguide.cli.output import format_option, place
from routeguide.cli.points import GRAMMAR, PointType
from routeguide.cli.reconnection import conversed
from routeguide.cli.target import Server, deadline_option, server_options
from routeguide.client import RouteGuideClient
from routeguide.domain.models import Point


@click.command(epilog=GRAMMAR)
@click.option("--at", "location", required=True, type=PointType(), help="Where the first note is left.")
@server_options
@deadline_option()
@format_option
@click.option(
    "--live", is_flag=True, help="Show what others leave where you have left a note, as it happens."
)
def chat(location: Point, server: Server, deadline: float | None, output: str, live: bool) -> None:
    """Leave notes along a route, one a line, and read those that were left there before.

    A line that begins with a slash is a command: /at LAT,LON moves on, /quit or Ctrl-D ends, /help.
    With --live, notes that others leave at those places meanwhile come too, each once.
    Lines come from the terminal, or from standard input where that is none. As json: one note a line.

    At a terminal, and without a deadline, a call that is cut is followed by another, and you are told what
    may be lost.
    """
    asyncio.run(_chat(location, server, deadline, output, live))


async def _chat(location: Point, server: Server, deadline: float | None, output: str, live: bool) -> None:
    interactive = output == "text" and sys.stdin.isatty() and sys.stdout.isatty()
    async with (
        RouteGuideClient(server.target, tls=server.tls, token=server.token) as client,
        # Each call would have the whole of a deadline, so with one there is one call.
        conversed(
            partial(client.chat, live=live, deadline=deadline), reconnects=interactive and deadline is None
        ) as call,
    ):
        show = note_json if output == "json" else note_text
        conversation = Conversation(call, location, lambda note: click.echo(show(note)))
        with patch_stdout() if interactive else nullcontext():
            async with aclosing(_lines(interactive, lambda: f"{place(conversation.location)}> ")) as lines:
                await conversation.run(lines)


def _lines(interactive: bool, prompt: Callable[[], str]) -> AsyncGenerator[str, None]:
    if not interactive:
        return read_lines(sys.stdin.fileno())
    click.echo(HELP)
    return _typed(prompt)


async def _typed(prompt: Callable[[], str]) -> AsyncGenerator[str, None]:
    """What a person types, until Ctrl-D; replies appear above the line that is being typed."""
    session = PromptSession[str](prompt, interrupt_exception=click.Abort)
    try:
        while True:
            yield await session.prompt_async()
    except EOFError:
        return
