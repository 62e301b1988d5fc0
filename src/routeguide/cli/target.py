"""Which server a command calls, how, and how long it waits."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from routeguide.addresses import checked_address
from routeguide.cli.token_file import token_for, token_option, tokens_explained

if TYPE_CHECKING:
    from routeguide.client import ClientTls
    from routeguide.settings import Settings

Function = TypeVar("Function", bound=Callable[..., Any])

_WILDCARDS = {
    "::": "localhost",  # serves IPv4 as well; the name finds whichever this machine has
    "0.0.0.0": "127.0.0.1",  # noqa: S104  # compared with, not bound
}

_SCHEMES = ("dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "vsock:", "xds:")
"""What begins a target that gRPC has a resolver for. It takes any other for a name to look up, as a whole."""

_TLS_OPTIONS = (
    click.option("--tls", is_flag=True, help="Speak TLS. Each of the next four means it as well."),
    click.option("--ca-file", metavar="PEM", help="Whom to trust.  [default: the system's roots]"),
    click.option("--cert-file", metavar="PEM", help="This client's certificate, for mutual TLS."),
    click.option("--key-file", metavar="PEM", help="The key of this client's certificate."),
    click.option("--server-name", metavar="NAME", help="Whom the server must prove to be.  [default: HOST]"),
)

Fields = dict[str, Any]
"""Of `ClientTls`, by name."""

_TLS_FIELDS = ("ca_file", "cert_file", "key_file", "server_name")


@dataclass(frozen=True, slots=True)
class Server:
    """A server to call."""

    target: str
    tls: "ClientTls | None"
    """None for plain text."""
    token: str | None = field(default=None, repr=False)
    """What is shown to a server that does not let everybody call."""


def server_options(function: Function) -> Function:
    """Gives a command `--target`, `--token-file` and the options of TLS; it gets `server`, by default that of
    the settings.

    With `--target` no settings are read.
    """
    option = _target_option("The server to call.  [default: where the settings have it listen]")
    return _with_options(token_option(function), option, _server)


def probed_server_options(function: Function) -> Function:
    """The same for a command that sends nothing worth protecting: it trusts the settings' server as it is.

    That server's certificate file may hold what the server has not taken, and may never take.
    """
    option = _target_option("The server to ask.  [default: where the settings have it listen]")
    return _with_options(function, option, partial(_server, own_tls=_shown_tls))


def other_server_options(function: Function) -> Function:
    """The same for a command that by default needs no server; `server` is then None."""
    option = _target_option("The server to call.  [default: one of its own]")
    return _with_options(token_option(function), option, _other_server)


def deadline_option(default: float | None = None, *, of: str = "call") -> Callable[[Function], Function]:
    """Gives a command `--deadline`; it gets `deadline`, seconds or None."""
    shown = "none" if default is None else f"{default:g}"
    return click.option(
        "--deadline",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        default=default,
        help=f"How long the {of} may take.  [default: {shown}]",
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


def _target_option(shown: str) -> Callable[[Any], Any]:
    return click.option("--target", metavar="HOST:PORT", callback=_checked_target, help=shown)


def _checked_target(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Refuses what gRPC would call somewhere else: without a port at 443, with too large a one at another."""
    if not value or value.startswith(_SCHEMES):
        return value
    try:
        return checked_address(value)
    except ValueError as error:
        raise click.BadParameter(f"{value} {error}") from None


def _with_options(
    function: Function, target: Callable[[Any], Any], make: Callable[..., Server | None]
) -> Function:
    @wraps(function)
    def command(**options: Any) -> Any:
        given = {name: options.pop(name) for name in _TLS_FIELDS}
        given = {name: value for name, value in given.items() if value is not None}
        encrypted = options.pop("tls") or bool(given)
        server = make(options.pop("target"), encrypted, given)
        if token_file := options.pop("token_file", None):
            return function(server=_showing(token_file, server), **options)
        with tokens_explained():
            return function(server=server, **options)

    for option in reversed((target, *_TLS_OPTIONS)):
        command = option(command)
    return command  # type: ignore[return-value]  # to click and its caller it is the same function


def _showing(token_file: str, server: Server | None) -> Server:
    if server is None:
        raise click.UsageError("--token-file needs --target: the command's own server lets everybody call")
    token = token_for(server.target, token_file, encrypted=server.tls is not None)
    return replace(server, token=token)


def _server(
    target: str | None,
    encrypted: bool,
    given: Fields,
    own_tls: "Callable[[Settings, str, Fields], Fields] | None" = None,
) -> Server:
    if target:
        return Server(target, _tls(given) if encrypted else None)
    # The settings and pydantic are half of the start-up of a health check, which --target spares.
    from routeguide.cli.settings_options import load_settings  # noqa: PLC0415  # only where it is needed

    settings = load_settings({})
    target = target_of(settings.listen)
    if settings.tls_cert_file:
        return Server(target, _tls((own_tls or _own_tls)(settings, target, given)))
    return Server(target, _tls(given) if encrypted else None)


def _other_server(target: str | None, encrypted: bool, given: Fields) -> Server | None:
    if target:
        return _server(target, encrypted, given)
    if encrypted:
        raise click.UsageError("the options of TLS need --target: the command's own server speaks plain text")
    return None


def _tls(fields: Fields) -> "ClientTls":
    from routeguide.client import ClientTls  # noqa: PLC0415  # only where it is needed

    return ClientTls(**fields)


def _own_tls(settings: "Settings", target: str, given: Fields) -> Fields:
    """How the server of the settings is called: its certificate is trusted, and the name in it expected."""
    name = _name_in(settings.tls_cert_file, target)
    return {"ca_file": settings.tls_cert_file, "server_name": name} | _own_pair(settings) | given


def _shown_tls(settings: "Settings", target: str, given: Fields) -> Fields:
    """The same, with the certificate that the server shows there instead of the one in its file."""
    from routeguide.client.handshake import shown_by  # noqa: PLC0415  # only where it is needed

    fields = _own_pair(settings) | given
    shown = shown_by(target, _tls(fields))
    return ({"roots": shown.certificate, "server_name": shown.name} if shown else {}) | fields


def _own_pair(settings: "Settings") -> Fields:
    """What is shown to a server that wants a certificate of its clients: its own. The authority of the
    clients must have issued it for clients too; the options name another."""
    if not settings.tls_client_ca_file:
        return {}
    return {"cert_file": settings.tls_cert_file, "key_file": settings.tls_key_file}


def _name_in(cert_file: str, target: str) -> str | None:
    """A name that the certificate is for, if that is not where it is called."""
    from routeguide.server.certificates import names_in  # noqa: PLC0415  # cryptography takes its time too

    try:
        names = names_in(Path(cert_file).read_bytes())
    except (OSError, ValueError):
        return None  # the client says what is wrong with the file
    if not names or urlsplit(f"//{target}").hostname in names:
        return None
    return names[0].replace("*", "any", 1)
