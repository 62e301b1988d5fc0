"""Bearer tokens: who may call, where not everybody may.

Several tokens are valid at a time, so that they rotate: add the new one, move the clients, take the old one
out. Those in a file are read again when it changes; a bad file changes nothing and is warned of.
"""

import hmac

import structlog

from routeguide.errors import SettingsError, Unauthenticated
from routeguide.server.files import NamedFile, read_file
from routeguide.settings.tokens import digest_of, digests_in

_SCHEME = "bearer "
_REFLECTION = "/grpc.reflection."

_log = structlog.get_logger(__name__)


class TokenAuthority:
    """Knows the digests of the valid tokens; it keeps none of the tokens themselves."""

    def __init__(self, tokens: str = "", file: str = "", *, guards_reflection: bool = True) -> None:
        """
        Args:
            tokens: entries as `routeguide.settings.tokens` describes them.
            file: path to more of them; none without one.
            guards_reflection: whether the schema is for those with a token alone.

        Raises:
            SettingsError: the file cannot be read, or it holds no tokens, or something else.
        """
        self._given = digests_in(tokens)
        self._file = file
        self._guards_reflection = guards_reflection
        self._digests = self._read()
        self._told: str | None = None
        """The problem that the log knows of."""

    @property
    def valid(self) -> int:
        """How many tokens are valid."""
        return len(self._digests)

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

    def look(self) -> None:
        """Takes the tokens that the file holds now. A bad one changes nothing and is warned of once.

        To be called again and again, and from a thread: it blocks. What counts is what the file holds, as a
        file may be rewritten in place and its times put back.
        """
        try:
            digests = self._read()
        except SettingsError as error:
            self._warn(str(error))
            return
        self._told = None
        if digests != self._digests:
            self._digests = digests
            _log.info("tokens reloaded", valid=self.valid)

    def _warn(self, problem: str) -> None:
        if problem != self._told:
            self._told = problem
            _log.warning("tokens not reloaded", problem=problem, valid=self.valid)

    def _read(self) -> tuple[bytes, ...]:
        if not self._file:
            return self._given
        return tuple(dict.fromkeys(self._given + _digests_of(read_file("auth_tokens_file", self._file))))


def _digests_of(file: NamedFile) -> tuple[bytes, ...]:
    """Raises SettingsError: it holds no tokens, or something else."""
    digests, problems = list[bytes](), list[str]()
    for number, line in enumerate(_text_of(file).split("\n"), start=1):
        try:
            digests += digests_in(line)
        except ValueError as error:
            problems.append(file.problem(f"line {number}, {error}"))
    if not digests and not problems:
        problems = [file.problem(file.obstacle or "it holds no tokens")]
    if problems:
        raise SettingsError(problems)
    return tuple(digests)


def _text_of(file: NamedFile) -> str:
    """Comments may hold anything: what is not UTF-8 becomes a character that no token may have."""
    return file.content.decode("utf-8-sig", errors="replace")
