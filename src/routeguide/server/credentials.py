"""Certificates and tokens: checked together before anything is opened, watched while the server runs."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routeguide.errors import SettingsError
from routeguide.server.auth import TokenAuthority
from routeguide.server.background import in_background, look_again
from routeguide.server.storage_options import postgres_file_problems
from routeguide.settings import Settings

if TYPE_CHECKING:
    from routeguide.server.tls import ServerTls

_LOOK_AT_TOKENS_EVERY = 5.0
"""Seconds between two looks at the file of tokens."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """As the settings have them."""

    tls: "ServerTls | None"
    """None where the server speaks plain text."""
    authority: TokenAuthority | None
    """None where anybody may call."""


def problems_of_files(settings: Settings) -> list[str]:
    """What is wrong with the files that `settings` name, whether or not they fit together. It blocks."""
    problems = postgres_file_problems(settings)
    if settings.tls_cert_file or settings.tls_key_file or settings.tls_client_ca_file:
        from routeguide.server import certificates  # noqa: PLC0415  # see _tls

        problems += certificates.problems_of(certificates.read_files(settings))
    with _gathered(problems):
        _authority(settings)
    return problems


def load_credentials(settings: Settings) -> Credentials:
    """Reads and checks all files. It blocks.

    Raises:
        SettingsError: with every problem of every file.
    """
    tls, authority, problems = None, None, list[str]()
    with _gathered(problems):
        tls = _tls(settings) if settings.tls_cert_file else None
    with _gathered(problems):
        authority = _authority(settings) if settings.needs_tokens else None
    if problems:
        raise SettingsError(problems)
    return Credentials(tls, authority)


def _tls(settings: Settings) -> "ServerTls":
    # A sixth of the time of a start is cryptography's, for which plain text has no use.
    from routeguide.server.tls import ServerTls  # noqa: PLC0415  # see above

    return ServerTls(settings)


@asynccontextmanager
async def open_credentials(settings: Settings) -> AsyncGenerator[Credentials, None]:
    """The same, watching the files inside the block.

    Raises:
        SettingsError: with every problem of every file.
    """
    credentials = load_credentials(settings)
    async with AsyncExitStack() as stack:
        if tls := credentials.tls:
            looking = look_again(tls.look, every=settings.tls_reload_interval, at="certificates")
            await stack.enter_async_context(in_background(looking))
        if (authority := credentials.authority) and settings.auth_tokens_file:
            looking = look_again(authority.look, every=_LOOK_AT_TOKENS_EVERY, at="tokens")
            await stack.enter_async_context(in_background(looking))
        yield credentials


@contextmanager
def _gathered(problems: list[str]) -> Iterator[None]:
    """Adds those that the block raises to `problems`."""
    try:
        yield
    except SettingsError as error:
        problems.extend(error.problems)


def _authority(settings: Settings) -> TokenAuthority:
    return TokenAuthority(
        settings.auth_tokens.get_secret_value(),
        settings.auth_tokens_file,
        guards_reflection=settings.auth_reflection,
    )
