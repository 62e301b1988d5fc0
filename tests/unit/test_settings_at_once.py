"""Every kind of problem in one answer: unknown variables, bad values, contradictions and bad files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from routeguide.cli import main
from routeguide.errors import SettingsError
from routeguide.settings import Settings
from tests.support.certificates import HOUR, Certificates, now

TOKEN = "correct-horse-battery-staple"  # noqa: S105  # it opens nothing

Given = dict[str, str]


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def expired_without_a_key(made: Certificates) -> Given:
    made.server.write(made.leaf(not_after=now() - HOUR))
    made.ca_file.write_bytes(b"")
    return {"TLS_CERT_FILE": str(made.server.certificate), "TLS_CLIENT_CA_FILE": str(made.ca_file)}


def bad_rate_and_mismatched_pair(made: Certificates) -> Given:
    made.server.write(made.leaf(not_after=now() - HOUR))
    return {
        "RATE_BURST": "0",
        "TLS_CERT_FILE": str(made.server.certificate),
        "TLS_KEY_FILE": str(made.client.key),
    }


def bad_rate_and_lone_absent_files(made: Certificates) -> Given:
    absent = str(made.folder / "absent")
    return {"RATE_BURST": "0", "TLS_KEY_FILE": absent, "AUTH_TOKENS_FILE": absent}


def unknown_name_and_absent_pair(made: Certificates) -> Given:
    absent = str(made.folder / "absent")
    return {"BOGUS": "0", "TLS_CERT_FILE": absent, "TLS_KEY_FILE": absent}


@pytest.mark.parametrize(("command", "code"), [(["serve"], 2), (["config", "--check"], 1)])
@pytest.mark.parametrize(
    ("spoilt", "expected"),
    [
        (
            expired_without_a_key,
            [
                ("TLS_CERT_FILE", "a certificate without a key"),
                ("TLS_CERT_FILE", "expired on"),
                ("TLS_CLIENT_CA_FILE", "it holds no certificate"),
            ],
        ),
        (
            bad_rate_and_mismatched_pair,
            [
                ("RATE_BURST", "(it is '0')"),
                ("TLS_CERT_FILE", "expired on"),
                ("TLS_KEY_FILE", "does not belong"),
            ],
        ),
        (
            bad_rate_and_lone_absent_files,
            [
                ("RATE_BURST", "(it is '0')"),
                ("TLS_KEY_FILE", "a key without a certificate"),
                ("AUTH_TOKENS_FILE", "without TLS"),
                ("TLS_KEY_FILE", "it cannot be read"),
                ("AUTH_TOKENS_FILE", "it cannot be read"),
            ],
        ),
        (
            unknown_name_and_absent_pair,
            [
                ("BOGUS", "there is no such setting"),
                ("TLS_CERT_FILE", "it cannot be read"),
                ("TLS_KEY_FILE", "it cannot be read"),
            ],
        ),
    ],
)
def test_commands_tell_every_kind_of_problem(
    monkeypatch: pytest.MonkeyPatch,
    made: Certificates,
    spoilt: Callable[[Certificates], Given],
    expected: list[tuple[str, str]],
    command: list[str],
    code: int,
) -> None:
    for name, value in spoilt(made).items():
        monkeypatch.setenv(f"ROUTEGUIDE_{name}", value)

    result = CliRunner().invoke(main, command)

    assert (result.exit_code, result.stdout) == (code, "")
    told = result.stderr.splitlines()
    assert [line.partition(":")[0] for line in told] == [f"ROUTEGUIDE_{name}" for name, _ in expected]
    assert all(words in line for line, (_, words) in zip(told, expected, strict=True))


def test_bad_file_that_a_flag_names_is_told_by_the_flag(made: Certificates) -> None:
    absent = str(made.folder / "absent")

    result = CliRunner().invoke(main, ["config", "--check", "--tls-terminated", "--auth-tokens-file", absent])

    assert result.stderr.startswith(f"--auth-tokens-file: {absent}: it cannot be read")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"rate_burst": "0", "traces": "true"}, {"RATE_BURST", "TRACES"}),
        ({"tls_terminated": "maybe", "auth_tokens": TOKEN}, {"TLS_TERMINATED"}),
        ({"auth_tokens": "short", "auth_tokens_file": "t"}, {"AUTH_TOKENS", "AUTH_TOKENS_FILE"}),
        ({"otlp_endpoint": "x", "traces": "true"}, {"OTLP_ENDPOINT"}),
        (
            {"storage_url": "postgres://h/d?sslmode=verify-full", "postgres_tls_ca_file": "ca.pem"},
            {"STORAGE_URL"},
        ),
    ],
    ids=[
        "another field is at fault",
        "one of its fields is",
        "one with a longer name is not",
        "a missing one is",
        "one that might have settled it is",
    ],
)
def test_contradictions_of_valid_values_alone(flags: Given, expected: set[str]) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load(flags)

    told = {problem.partition(":")[0] for problem in raised.value.problems}
    assert told == {f"ROUTEGUIDE_{name}" for name in expected}


def test_files_are_looked_at_with_defaults_for_what_is_wrong() -> None:
    seen: list[Settings] = []

    def look(settings: Settings) -> list[str]:
        seen.append(settings)
        return ["ROUTEGUIDE_TLS_KEY_FILE: bad"]

    with pytest.raises(SettingsError) as raised:
        Settings.load({"rate_burst": "0", "stop_grace": "3", "tls_key_file": "k"}, look=look)

    [settings] = seen
    assert (settings.rate_burst, settings.stop_grace, settings.tls_key_file) == (100, 3, "k")
    assert raised.value.problems[-1] == "ROUTEGUIDE_TLS_KEY_FILE: bad"
