"""Who is let in, and how the tokens change under way."""

import hashlib
import hmac
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from routeguide.errors import SettingsError, Unauthenticated
from routeguide.server import auth
from routeguide.server.auth import TokenAuthority

OLD, NEW, GIVEN = "the-old-token-0001", "the-new-token-0002", "given-by-a-setting"
VARIABLE = "ROUTEGUIDE_AUTH_TOKENS_FILE"
DIGEST = "sha256:" + hashlib.sha256(NEW.encode()).hexdigest()


@pytest.mark.parametrize("header", [f"Bearer {OLD}", f"bearer {OLD}", f"BEARER   {OLD} "])
def test_valid_tokens(header: str) -> None:
    assert TokenAuthority(f"{GIVEN},{OLD}").admits(header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        OLD,
        f"Basic {OLD}",
        f"Bearer{OLD}",
        f"Bearer\t{OLD}",
        f"Bearer {OLD}x",
        f"Bearer {OLD[:-1]}",
        f"Bearer {OLD},{GIVEN}",
        f"Bearer {OLD.upper()}",
        f"Bearer {OLD} {OLD}",
        "Bearer the-оld-token-0001",  # Cyrillic, which looks the same
        f"Bearer {DIGEST}",
        f"Bearer {DIGEST.removeprefix('sha256:')}",
    ],
)
def test_everything_else(header: str | None) -> None:
    authority = TokenAuthority(f"{GIVEN},{OLD},{DIGEST}")

    assert not authority.admits(header)
    with pytest.raises(Unauthenticated) as raised:
        authority.require(header)
    assert OLD not in str(raised.value)


def test_digest_admits_its_token() -> None:
    TokenAuthority(DIGEST).require(f"Bearer {NEW}")


@given(st.text(max_size=100))
def test_no_header_is_too_strange(text: str) -> None:
    authority = TokenAuthority(OLD)

    assert not authority.admits(text)
    assert not authority.admits(f"Bearer {text}")


def test_every_digest_is_compared_whichever_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append(left)
        return hmac.compare_digest(left, right)

    authority = TokenAuthority(f"{OLD},{NEW},{GIVEN}")
    monkeypatch.setattr(auth, "hmac", type("Spy", (), {"compare_digest": staticmethod(compare)}))
    for token in (OLD, NEW, GIVEN, "none-of-these-tokens"):
        authority.admits(f"Bearer {token}")

    assert len(compared) == 4 * 3


@pytest.mark.parametrize(
    ("method", "guarded", "guarded_if_reflection_is_open"),
    [
        ("/routeguide.RouteGuide/GetFeature", True, True),
        ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", True, False),
        ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", True, False),
        ("/grpc.channelz.v1.Channelz/GetServers", True, True),
    ],
)
def test_what_needs_a_token(method: str, guarded: bool, guarded_if_reflection_is_open: bool) -> None:
    assert TokenAuthority(OLD).guards(method) is guarded
    assert TokenAuthority(OLD, guards_reflection=False).guards(method) is guarded_if_reflection_is_open


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# in use\n{OLD}\n")
    return path


def admitted(authority: TokenAuthority) -> set[str]:
    return {token for token in (OLD, NEW, GIVEN) if authority.admits(f"Bearer {token}")}


def rewritten(file: Path, text: str) -> None:
    file.write_text(text)


def replaced(file: Path, text: str) -> None:
    other = file.with_name("other")
    other.write_text(text)
    other.rename(file)


def relinked(file: Path, text: str) -> None:
    """As Kubernetes does it: the name is a link, which is moved to another file."""
    target = file.with_name("target")
    target.write_text(text)
    link = file.with_name("link")
    link.symlink_to(target)
    link.rename(file)


@pytest.mark.parametrize("change", [rewritten, replaced, relinked])
def test_rotation(file: Path, change: Callable[[Path, str], None]) -> None:
    authority = TokenAuthority(GIVEN, str(file))
    change(file, f"{OLD}\n{DIGEST}\n")
    authority.look()
    assert admitted(authority) == {GIVEN, OLD, NEW}

    replaced(file, DIGEST)
    authority.look()
    assert admitted(authority) == {GIVEN, NEW}


def test_file_of_the_same_size_and_time_is_noticed(file: Path) -> None:
    """As packagers and `cp --preserve` leave them: only what a file holds tells that a token was revoked."""
    authority = TokenAuthority("", str(file))
    before = file.stat()
    file.write_text(file.read_text().replace(OLD, NEW))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    authority.look()

    assert file.stat().st_size == before.st_size
    assert admitted(authority) == {NEW}


def test_nothing_new_is_not_logged(file: Path) -> None:
    authority = TokenAuthority(GIVEN, str(file))
    with capture_logs() as logs:
        authority.look()
        replaced(file, f"# the same\n{OLD}\n")
        authority.look()

    assert not logs


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + OLD.encode(),
        b"\xef\xbb\xbf# in use\r\n" + OLD.encode(),
        f"# Jürgen\n{OLD}".encode(),
        f"{OLD}\n  # Jürgen\x85\u2028\x0c".encode(),
        f"# Jürgen\n{OLD}".encode("latin-1"),
    ],
)
def test_comments_may_hold_anything_and_a_byte_order_mark_may_stand_first(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    assert admitted(TokenAuthority("", str(file))) == {OLD}


@pytest.mark.parametrize("token", ["seсret-with-a-cyrillic-letter".encode(), b"secret-in-latin-1-\xfc"])
def test_entry_with_other_characters_is_told_by_its_line(file: Path, token: bytes) -> None:
    file.write_bytes(b"# two\n\n" + OLD.encode() + b"\n" + OLD.encode() + b", " + token + b"\nshort\n")

    with pytest.raises(SettingsError) as raised:
        TokenAuthority("", str(file))

    assert raised.value.problems == (
        f"{VARIABLE}: {file}: line 4, entry 2 has characters that no bearer token may have",
        f"{VARIABLE}: {file}: line 5, entry 1 has 5 characters; a token has 16 to 4096",
    )


PIPE = b"written by nobody"

BAD: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "comments alone": b"# nobody\n",
    "a short one": b"the-new-token-0002\nsecret\n",
    "no text": b"\xff\xfe\x00",
    "endless": b"a" * 20 + b"\n" * 2_000_000,
    "a pipe": PIPE,
}


def spoilt(file: Path, content: bytes | None) -> None:
    file.unlink()
    if content is PIPE:
        os.mkfifo(file)
    elif content is not None:
        file.write_bytes(content)


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_bad_file_changes_nothing_and_is_warned_of_once(file: Path, content: bytes | None) -> None:
    authority = TokenAuthority(GIVEN, str(file))
    spoilt(file, content)
    with capture_logs() as logs:
        authority.look()
        authority.look()

    assert admitted(authority) == {GIVEN, OLD}
    (warning,) = logs
    assert (warning["event"], warning["log_level"]) == ("tokens not reloaded", "warning")
    assert VARIABLE in warning["problem"]
    assert "secret" not in str(warning)

    replaced(file, NEW)
    authority.look()
    assert admitted(authority) == {GIVEN, NEW}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_bad_file_stops_the_start(file: Path, content: bytes | None) -> None:
    spoilt(file, content)

    with pytest.raises(SettingsError, match=VARIABLE) as raised:
        TokenAuthority(GIVEN, str(file))
    assert "secret" not in str(raised.value)
