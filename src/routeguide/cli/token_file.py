"""The bearer token that a command shows. It stands in a file: whoever lists processes reads their flags."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from routeguide.errors import RouteGuideError, SettingsError

token_option = click.option(
    "--token-file",
    metavar="FILE",
    help="Holds the bearer token that a server with tokens wants; over TLS, or on this machine.",
)


def token_for(target: str, token_file: str, *, encrypted: bool) -> str:
    """The token in `token_file`, if it may be shown to the server at `target`.

    Raises:
        SettingsError: the file holds no token, or others could read it on the way to the server.
    """
    from routeguide.client.address import is_loopback  # noqa: PLC0415  # only where it is needed

    if not encrypted and not is_loopback(target):
        raise SettingsError(
            [f"--token-file: without TLS anybody on the way to {target} can read the token; use --tls"]
        )
    return _token_in(token_file)


@contextmanager
def tokens_explained() -> Iterator[None]:
    """Tells whoever showed no token, and was refused for that, how to show one.

    Raises ClickException in place of such a refusal.
    """
    try:
        yield
    except RouteGuideError as error:
        from routeguide.client import RpcFailed  # noqa: PLC0415  # imported already where it is raised

        if isinstance(error, RpcFailed) and error.code.name == "UNAUTHENTICATED":
            raise click.ClickException(f"{error}; show a token with --token-file") from None
        raise


def _token_in(path: str) -> str:
    try:
        token = Path(path).read_text("ascii").strip()
    except OSError as error:
        raise SettingsError([f"{path}: it cannot be read ({error.strerror})"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{path}: it has characters that no token may have"]) from None
    if not token:
        raise SettingsError([f"{path}: it holds no token"])
    if token.lower().startswith("sha256:"):
        raise SettingsError([f"{path}: it holds a digest, which is for the server; show the token itself"])
    if not token.isprintable() or " " in token:
        raise SettingsError([f"{path}: it holds more than one token"])
    return token
