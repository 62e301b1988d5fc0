"""Bearer tokens: who may call, where not everybody may.

Several tokens are valid at a time, so that they rotate: add the new one, move the clients, take the old one
out. Those in a file are read again when it changes; a bad file changes nothing and is warned of.
"""

import asyncio
import hmac
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from routeguide.errors import SettingsError, Unauthenticated
from routeguide.settings import Settings, variable
from routeguide.settings.tokens import digest_of, digests_in

_SCHEME = "bearer "
_REFLECTION = "/grpc.reflection."
_LARGEST_FILE = 1_048_576
"""Bytes; a file of tokens that is larger is something else."""

_LOOK_EVERY = 5.0
"""Seconds between two looks at the file."""

_log = structlog.get_logger(__name__)


class TokenAuthority:
    """Knows the digests of the valid tokens; it keeps none of the tokens themselves."""

    def __init__(self, tokens: str = "", file: Path | None = None, *, guards_reflection: bool = True) -> None:
        """
        Args:
            tokens: entries as `routeguide.settings.tokens` describes them.
            file: more of them.
            guards_reflection: whether the schema is for those with a token alone.

        Raises:
            SettingsError: the file cannot be read, or it holds no tokens, or something else.
        """
        self._given = digests_in(tokens)
        self._file = file
        self._guards_reflection = guards_reflection
        self._version = _version_of(file)
        self._digests = self._read()

    def guards(self, method: str) -> bool:
        """Whether calls of `method` (its path) need a token. Nobody asks for the exempt ones."""
        return self._guards_reflection or not method.startswith(_REFLECTION)

    def admits(self, authorization: str | None) -> bool:
        """Whether the header of that name holds a valid token.

        Takes as long whichever token it is: all digests are compared, each in constant time.
        """
        if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
            return False
        token = authorization[len(_SCHEME) :].strip(" ")
        if not token.isascii():
            return False
        presented, admitted = digest_of(token), False
        for digest in self._digests:
            admitted |= hmac.compare_digest(digest, presented)
        return admitted

    def require(self, authorization: str | None) -> None:
        """Raises Unauthenticated unless the header of that name holds a valid token."""
        if not self.admits(authorization):
            raise Unauthenticated

    async def watch(self) -> None:
        """Reads the file again whenever it has changed; never returns."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            # In a thread: a file system may be slow, and calls do not wait for it.
            try:
                await asyncio.to_thread(self.refresh)
            except Exception:  # noqa: BLE001  # whatever it was, the next change must be noticed
                _log.exception("file of tokens not looked at")

    def refresh(self) -> None:
        """Reads the file again if it has changed. A bad one is warned of once; the old tokens stay valid."""
        version = _version_of(self._file)
        if version == self._version:
            return
        self._version = version
        try:
            self._digests = self._read()
        except SettingsError as error:
            _log.warning("tokens not reloaded", problem=str(error), valid=len(self._digests))
        else:
            _log.info("tokens reloaded", valid=len(self._digests))

    def _read(self) -> tuple[bytes, ...]:
        if self._file is None:
            return self._given
        try:
            return tuple(dict.fromkeys(self._given + _digests_of_file(self._file)))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise SettingsError([f"{variable('auth_tokens_file')}: {self._file}: {why}"]) from error


@asynccontextmanager
async def open_authority(settings: Settings) -> AsyncGenerator[TokenAuthority | None, None]:
    """The authority that the settings describe, watching its file; None where anybody may call.

    Raises:
        SettingsError: the file of tokens cannot be used.
    """
    if not settings.needs_tokens:
        yield None
        return
    authority = TokenAuthority(
        settings.auth_tokens.get_secret_value(),
        Path(settings.auth_tokens_file) if settings.auth_tokens_file else None,
        guards_reflection=settings.auth_reflection,
    )
    watching = asyncio.create_task(authority.watch())
    try:
        yield authority
    finally:
        watching.cancel()
        await asyncio.wait([watching])


def _version_of(file: Path | None) -> tuple[int, ...] | None:
    """What changes when a file does: rewritten, replaced, or another link in its place; None without one."""
    if file is None:
        return None
    try:
        stat = file.stat()
    except OSError:
        return None
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)


def _digests_of_file(file: Path) -> tuple[bytes, ...]:
    with file.open("rb") as source:
        content = source.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise ValueError(f"larger than {_LARGEST_FILE} bytes, which no file of tokens is")
    if not content.isascii():
        raise ValueError("has characters that no bearer token may have")
    digests = digests_in(content.decode("ascii"))
    if not digests:
        raise ValueError("it holds no tokens")
    return digests
