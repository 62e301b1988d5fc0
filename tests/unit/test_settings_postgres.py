"""Settings of PostgreSQL: what they refuse, what they hide, and how they reach the storage."""

import os
from pathlib import Path

import pytest

from routeguide.errors import SettingsError
from routeguide.server.files import NamedFile
from routeguide.server.storage_options import postgres_file_problems, postgres_options
from routeguide.settings import Settings
from routeguide.storage.postgres.options import PostgresOptions
from tests.support.certificates import Certificates


def test_both_have_the_same_defaults() -> None:
    assert postgres_options(Settings()) == PostgresOptions()


def test_settings_reach_the_storage() -> None:
    options = postgres_options(Settings(postgres_pool_size=3, postgres_tls_mode="verify-full"))
    assert (options.pool_size, options.tls_mode) == (3, "verify-full")


def test_only_a_server_has_live_chat() -> None:
    settings = Settings(live_chat=True)
    assert postgres_options(settings, live_chat=settings.live_chat).live_chat
    assert not postgres_options(settings).live_chat  # a one-off task opens no connection to listen


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql:///routeguide",
        "postgresql://user:pass@one:5432,two:5432/routeguide?target_session_attrs=read-write",
    ],
)
def test_urls_of_postgresql(url: str) -> None:
    assert Settings(storage_url=url).storage_url == url


def test_a_refused_url_does_not_show_its_password() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load({"storage_url": "postgres://user:secret@host/db"})
    assert "secret" not in str(raised.value)
    assert "ROUTEGUIDE_STORAGE_URL: must be" in str(raised.value)


@pytest.mark.parametrize("mode", ["", "disable", "allow", "prefer", "require"])
def test_an_authority_is_of_use_only_to_those_who_verify(mode: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load({"postgres_tls_ca_file": "ca.pem", "postgres_tls_mode": mode})
    assert raised.value.problems == (
        "ROUTEGUIDE_POSTGRES_TLS_CA_FILE: certificates are not verified;"
        " set ROUTEGUIDE_POSTGRES_TLS_MODE to verify-full or verify-ca, or sslmode in ROUTEGUIDE_STORAGE_URL",
    )


def test_a_password_with_a_bracket_does_not_hide_the_mode() -> None:
    Settings.load(
        {"postgres_tls_ca_file": "ca.pem", "storage_url": "postgresql://u:p[s@h/d?sslmode=verify-full"}
    )


def test_an_authority_is_of_use_where_the_url_or_the_environment_verifies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = {"postgres_tls_ca_file": str(Certificates(tmp_path).ca_file)}
    Settings.load(authority | {"storage_url": "postgresql://host/db?sslmode=verify-ca"})
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    Settings.load(authority | POSTGRES)


POSTGRES = {"storage_url": "postgresql://host/db"}


def test_times_that_forestall_each_other_are_told_together() -> None:
    times = {"storage_timeout": 2, "postgres_acquire_timeout": 2, "unary_timeout": 4}
    with pytest.raises(SettingsError) as raised:
        Settings.load(POSTGRES | times)
    assert sorted(raised.value.problems) == [
        "ROUTEGUIDE_POSTGRES_ACQUIRE_TIMEOUT must be below ROUTEGUIDE_STORAGE_TIMEOUT,"
        " or no call is told that all connections are in use",
        "ROUTEGUIDE_UNARY_TIMEOUT must exceed ROUTEGUIDE_STORAGE_TIMEOUT twice over,"
        " or calls end before a failing store is known",
    ]


@pytest.mark.parametrize(
    "given",
    [
        POSTGRES,
        POSTGRES | {"unary_timeout": 0, "storage_timeout": 60},
        {"storage_url": "memory://", "unary_timeout": 1, "storage_timeout": 1},
    ],
)
def test_times_that_are_unlimited_or_of_no_use_forestall_nothing(given: dict[str, object]) -> None:
    Settings.load(given)


def files(authority: object, password: object) -> dict[str, object]:
    return {
        "postgres_tls_mode": "verify-full",
        "postgres_tls_ca_file": str(authority),
        "postgres_password_file": str(password),
    }


def problems(given: dict[str, object]) -> list[str]:
    return postgres_file_problems(Settings.load(given))


def test_files_that_cannot_be_read_are_told_together() -> None:
    assert problems(POSTGRES | files("/absent.pem", "/absent")) == [
        "ROUTEGUIDE_POSTGRES_TLS_CA_FILE: /absent.pem: it cannot be read (No such file or directory)",
        "ROUTEGUIDE_POSTGRES_PASSWORD_FILE: /absent: it cannot be read (No such file or directory)",
    ]


def test_an_authority_is_a_certificate_and_a_password_is_no_pipe(tmp_path: Path) -> None:
    authority, password = tmp_path / "ca.pem", tmp_path / "password"
    authority.write_text("no certificate")
    os.mkfifo(password)
    assert problems(POSTGRES | files(authority, password)) == [
        f"ROUTEGUIDE_POSTGRES_TLS_CA_FILE: {authority}: it holds no certificate in PEM",
        f"ROUTEGUIDE_POSTGRES_PASSWORD_FILE: {password}: it cannot be read (it is no regular file)",
    ]


def test_files_that_can_be_used(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret")
    assert problems(POSTGRES | files(Certificates(tmp_path).ca_file, password)) == []


def test_files_of_postgresql_are_of_no_use_to_other_stores() -> None:
    assert problems({"storage_url": "memory://"} | files("/absent.pem", "/absent")) == []


def test_an_authority_that_goes_away_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routeguide.server.storage_options.read_file", NamedFile)
    assert problems(POSTGRES | files("/absent.pem", "")) == [
        "ROUTEGUIDE_POSTGRES_TLS_CA_FILE: /absent.pem: it cannot be read (No such file or directory)"
    ]
