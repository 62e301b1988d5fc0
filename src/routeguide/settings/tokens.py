"""How bearer tokens are written, in a setting and in a file alike.

Entries stand between commas, blanks or lines; lines that begin with # are comments. Each entry is a token as
clients send it, or `sha256:` and the SHA-256 of one in hexadecimal, so that no secret need be written down
where the server runs. Either way only digests are kept.
"""

import hashlib
import re

SHORTEST = 16
"""Characters of the shortest token: shorter ones can be guessed."""

_LONGEST = 4096
_ALPHABET = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What RFC 6750 permits in a token. It has no colon, so no token looks like a digest."""

_DIGEST = re.compile(r"sha256:([0-9A-Fa-f]{64})")
_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)


def digest_of(token: str) -> bytes:
    """The SHA-256 of a token."""
    return hashlib.sha256(token.encode("ascii")).digest()


def digests_in(text: str) -> tuple[bytes, ...]:
    """The digests of all entries of `text`, none twice, in their order.

    Raises:
        ValueError: some are neither a token nor a digest; it tells their numbers, never their text.
    """
    entries = [entry for entry in re.split(r"[\s,]+", _COMMENT.sub("", text)) if entry]
    faults = [
        f"entry {number} {fault}"
        for number, entry in enumerate(entries, start=1)
        if (fault := _fault_of(entry))
    ]
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(dict.fromkeys(map(_digest_in, entries)))


def _fault_of(entry: str) -> str | None:
    if _DIGEST.fullmatch(entry):
        return None
    if entry.lower().startswith("sha256:"):
        return "is no digest: sha256: is followed by 64 hexadecimal digits"
    if not _ALPHABET.fullmatch(entry):
        return "has characters that no bearer token may have"
    if not SHORTEST <= len(entry) <= _LONGEST:
        return f"has {len(entry)} characters; a token has {SHORTEST} to {_LONGEST}"
    return None


def _digest_in(entry: str) -> bytes:
    digest = _DIGEST.fullmatch(entry)
    return bytes.fromhex(digest[1]) if digest else digest_of(entry)
