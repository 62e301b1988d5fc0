"""How the driver is told where the database is and who calls."""

import json
from pathlib import Path

import pytest

from routeguide.storage.postgres.address import connect_arguments, password_reader
from routeguide.storage.postgres.options import PostgresOptions

URL = "postgresql://user@host/db"


def test_tls_is_added_to_the_url_and_wins() -> None:
    options = PostgresOptions(tls_mode="verify-full", tls_ca_file="/etc/a ca.pem")
    arguments = connect_arguments(f"{URL}?sslmode=disable&user=other", options)
    assert arguments["dsn"] == f"{URL}?sslmode=verify-full&user=other&sslrootcert=%2Fetc%2Fa%20ca.pem"


@pytest.mark.parametrize("url", ["postgresql://", "postgresql:///db?host=/run/sockets", URL])
def test_without_options_the_url_stays_as_it_is(url: str) -> None:
    assert connect_arguments(url, PostgresOptions())["dsn"].replace("%2F", "/") == url


def test_only_servers_that_take_notes_are_wanted_unless_the_url_says_otherwise() -> None:
    options = PostgresOptions()
    assert connect_arguments(URL, options)["target_session_attrs"] == "read-write"
    assert "target_session_attrs" not in connect_arguments(f"{URL}?target_session_attrs=any", options)


def test_behind_a_pooler_sessions_are_left_alone() -> None:
    arguments = connect_arguments(URL, PostgresOptions(pooler=True))
    assert arguments["server_settings"] == {"application_name": "routeguide"}
    assert arguments["statement_cache_size"] == 0


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("secret", "secret"),
        ("secret\n", "secret"),
        ("a secret with blanks \n", "a secret with blanks "),
        (json.dumps({"username": "me", "password": "secret"}), "secret"),
        ("{secret", "{secret"),
        ('{"pass": "secret"}', '{"pass": "secret"}'),
    ],
)
def test_the_password_in_a_file(tmp_path: Path, text: str, password: str) -> None:
    file = tmp_path / "password"
    file.write_text(text)
    assert password_reader(file)() == password


def test_the_password_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "password"
    read = password_reader(file)
    for password in ("first", "second"):
        file.write_text(password)
        assert read() == password


@pytest.mark.parametrize("text", ["", "\n", '{"password": ""}'])
def test_a_file_without_a_password(tmp_path: Path, text: str) -> None:
    file = tmp_path / "password"
    file.write_text(text)
    with pytest.raises(OSError, match="the file holds no password"):
        password_reader(file)()
