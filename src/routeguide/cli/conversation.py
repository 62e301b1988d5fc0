"""A conversation by lines: what is typed becomes notes, and what comes back is shown."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict

import click

from routeguide.cli.output import place, printable
from routeguide.cli.points import parse_point
from routeguide.client import ReconnectingChat, RouteChat
from routeguide.domain.models import Point, RouteNote
from routeguide.errors import InvalidInput

HELP = "Each line is a note.  /at LAT,LON moves on  /quit or Ctrl-D ends  /help shows this"


class Conversation:
    """Leaves notes at a location, which moves with `/at`, and shows the replies."""

    def __init__(
        self, chat: RouteChat | ReconnectingChat, location: Point, show: Callable[[RouteNote], None]
    ) -> None:
        self.location = location
        self._chat = chat
        self._show = show

    async def run(self, lines: AsyncIterator[str]) -> None:
        """Goes on until `lines` end or say `/quit`, and every note is answered.

        Raises:
            RpcFailed: the call failed. At once, even while the next line is being waited for.
        """
        talking = asyncio.create_task(self._talk(lines))
        listening = asyncio.create_task(self._listen())
        try:
            await asyncio.wait({talking, listening}, return_when=asyncio.FIRST_COMPLETED)
            if not listening.done():
                await talking
            await listening
        finally:
            talking.cancel()
            listening.cancel()
            await asyncio.gather(talking, listening, return_exceptions=True)

    async def _listen(self) -> None:
        async for note in self._chat:
            self._show(note)

    async def _talk(self, lines: AsyncIterator[str]) -> None:
        async for line in lines:
            words = line.split(maxsplit=1)
            if words == ["/quit"]:
                break
            if words and words[0].startswith("/"):
                self._obey(words[0], " ".join(words[1:]))
            elif words:
                await self._chat.send(RouteNote(self.location, line))
        await self._chat.done()

    def _obey(self, command: str, argument: str) -> None:
        """A mistake is told and changes nothing."""
        if command == "/at":
            self._move(argument)
        elif command == "/help":
            click.echo(HELP, err=True)
        else:
            click.echo(f"There is no command {printable(command)}. {HELP}", err=True)

    def _move(self, argument: str) -> None:
        try:
            self.location = parse_point(argument)
        except InvalidInput as error:
            click.echo(f"Still at {place(self.location)}: {error}", err=True)


def note_text(note: RouteNote) -> str:
    """A note as a line for people."""
    return f"{place(note.location)}  {printable(note.message)}"


def note_json(note: RouteNote) -> str:
    """A note as a line of JSON, with the names of the wire and coordinates in E7."""
    return json.dumps(asdict(note), ensure_ascii=False)
