"""What a person is told when the call of a chat is cut, on stderr."""

from collections.abc import Callable

import click

from routeguide.cli.output import printable
from routeguide.client import ReconnectingChat, RouteChat, RpcFailed
from routeguide.domain.models import RouteNote


class Notices:
    """Says what is known, and what is not."""

    def lost(self, error: RpcFailed) -> None:
        click.echo(
            f"The connection was lost: {error}. Notes without a reply may not have been kept. Reconnecting.",
            err=True,
        )

    def resumed(self) -> None:
        click.echo("Connected again. The next note at a place shows all that was kept there.", err=True)

    def sent_again(self, note: RouteNote) -> None:
        click.echo(f"Sent again, and so perhaps kept twice: {printable(note.message)}", err=True)


def conversed(open_call: Callable[[], RouteChat], *, reconnects: bool) -> RouteChat | ReconnectingChat:
    """A chat for a person, who is told and goes on, or for a program, which is better off with an error."""
    return ReconnectingChat(open_call, Notices()) if reconnects else open_call()
