"""The settings of tokens and rates, and that no secret is ever shown."""

import hashlib
import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from routeguide.cli import main
from routeguide.errors import SettingsError
from routeguide.settings import Settings
from routeguide.settings.tokens import digests_in

TOKEN, OTHER = "correct-horse-battery-staple", "another.token_with~signs+/=="
DIGEST = hashlib.sha256(TOKEN.encode()).digest()


@pytest.mark.parametrize(
    "text", ["", " ", ",", "\n\n", "# a comment\n", "  # another, with commas and short ones", ",\n #x\n,"]
)
def test_no_tokens(text: str) -> None:
    assert digests_in(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        f"{TOKEN},{OTHER}",
        f"{TOKEN}\n{OTHER}\n",
        f"\r\n {TOKEN} ,\r\n{OTHER},,",
        f"# the old one\n{TOKEN}\n\t# the new one, sha256:abc\n{OTHER}",
        f"sha256:{DIGEST.hex()},{OTHER}",
        f"sha256:{DIGEST.hex().upper()},{OTHER}, {TOKEN}",
    ],
)
def test_tokens_and_digests_between_commas_or_lines(text: str) -> None:
    assert digests_in(text) == (DIGEST, hashlib.sha256(OTHER.encode()).digest())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("short-secret", "entry 1 has 12 characters"),
        (f"{TOKEN},x" + "y" * 4096, "entry 2 has 4097 characters"),
        (f"{TOKEN} seсret-with-a-cyrillic-letter", "entry 2 has characters"),
        ("secret:with-a-colon-in-it", "entry 1 has characters"),
        ("sha256:secret", "entry 1 is no digest"),
        ("SHA256:" + "a" * 64, "entry 1 is no digest"),
        ("sha256:" + "a" * 63, "entry 1 is no digest"),
        ("a,b,secret", "entry 1 has 1 characters.*; entry 2 .*; entry 3"),
        (",", "it holds no tokens"),
        (" ", "it holds no tokens"),
        ("#old-secret", "it holds no tokens"),
        (" # none\n", "it holds no tokens"),
    ],
)
def test_bad_tokens_are_told_by_number_alone(
    monkeypatch: pytest.MonkeyPatch, text: str, problem: str
) -> None:
    monkeypatch.setenv("ROUTEGUIDE_AUTH_TOKENS", text)

    with pytest.raises(SettingsError, match=f"ROUTEGUIDE_AUTH_TOKENS: {problem}") as raised:
        Settings.load()

    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@given(st.text(max_size=200))
def test_any_text_is_tokens_or_told(text: str) -> None:
    try:
        digests, problem = digests_in(text), "entry"
    except ValueError as error:
        digests, problem = (), str(error)

    assert problem.startswith("entry")
    assert all(len(digest) == 32 for digest in digests)


@pytest.fixture
def with_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTEGUIDE_AUTH_TOKENS", TOKEN)
    monkeypatch.setenv("ROUTEGUIDE_TLS_TERMINATED", "true")


@pytest.mark.usefixtures("with_token")
@pytest.mark.parametrize("flags", [[], ["--format=json"], ["--check"], ["--listen=nowhere"]])
def test_no_command_shows_tokens(flags: list[str]) -> None:
    result = CliRunner().invoke(main, ["config", *flags])

    assert result.output
    assert TOKEN not in result.output


@pytest.mark.usefixtures("with_token")
def test_that_tokens_are_set_is_shown() -> None:
    shown = json.loads(CliRunner().invoke(main, ["config", "--format=json"]).stdout)["auth_tokens"]

    assert shown == {"value": "*" * 10, "source": "variable", "variable": "ROUTEGUIDE_AUTH_TOKENS"}
    assert TOKEN not in repr(Settings.load())


def test_tokens_have_no_flag() -> None:
    result = CliRunner().invoke(main, ["config", "--auth-tokens", TOKEN])

    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rate_limit", "-1"),
        ("rate_limit", "nan"),
        ("rate_limit", "inf"),
        ("rate_burst", "0"),
        ("rate_burst", "x"),
    ],
)
def test_bounds_of_rates(field: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"ROUTEGUIDE_{field.upper()}"):
        Settings.load({field: value})


@pytest.mark.parametrize(
    ("flags", "variables"),
    [
        ({"auth_tokens": TOKEN}, ["AUTH_TOKENS"]),
        ({"auth_tokens_file": "/run/secrets/tokens"}, ["AUTH_TOKENS_FILE"]),
        ({"auth_tokens": TOKEN, "auth_tokens_file": "t"}, ["AUTH_TOKENS"]),
        (
            {"auth_tokens": TOKEN, "tls_key_file": "k", "max_request_bytes": "4096"},
            ["MAX_REQUEST_BYTES", "AUTH_TOKENS", "TLS_KEY_FILE"],
        ),
        ({"auth_tokens": TOKEN, "tls_terminated": "true"}, []),
        ({"auth_tokens": TOKEN, "tls_cert_file": "c", "tls_key_file": "k"}, []),
        ({"auth_tokens": ""}, []),
    ],
)
def test_tokens_need_tls(flags: dict[str, str], variables: list[str]) -> None:
    problems: tuple[str, ...] = ()
    try:
        Settings.load(flags)
    except SettingsError as error:
        problems = error.problems

    named = [problem.removeprefix("ROUTEGUIDE_").split(":")[0].split(" ")[0] for problem in problems]
    assert sorted(named) == sorted(variables)
    assert TOKEN not in str(problems)
