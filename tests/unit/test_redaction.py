"""What is shown of URLs with passwords, written as they should be and as people write them."""

import pytest

from routeguide.redaction import masked, shown


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql://user:pa$s@host/db", "postgresql://user:****@host/db"),
        ("postgresql://user:se/c@r?et@host/db", "postgresql://user:****@host/db"),
        ("postgresql://host:1/db?user=me&password=se/c@ret", "postgresql://host:1/db?user=me&password=****"),
        ("postgresql://h/db?sslpassword=secret&sslmode=no", "postgresql://h/db?sslpassword=****&sslmode=no"),
        ("https://user:secret@host/otlp", "https://user:****@host/otlp"),
        ("https://token@host:4318", "https://****@host:4318"),
        ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
    ],
)
def test_passwords_are_masked(url: str, text: str) -> None:
    assert masked(url) == text


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql://user:se/cr@t@host:1/db?password=secret", "postgresql://host:1/db"),
        ("postgresql://user:se#cret@one:1,two.example:2/db", "postgresql://one:1,two.example:2/db"),
        ("postgresql://user@[::1]:5432/db?sslmode=require", "postgresql://[::1]:5432/db"),
        ("postgresql:///db", "postgresql:///db"),
        ("postgresql://", "postgresql://"),
    ],
)
def test_everybody_may_know_where_a_database_is(url: str, text: str) -> None:
    assert shown(url) == text


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:Zpa?ss@h.invalid/db",
        "postgresql://u:Zpa/s?s@h.invalid/db",
        "postgresql://u:1?ss@h.invalid/db",
        "postgresql://u:Zpa/ss",
        "postgresql://h:1/db?password=se@cr/et",
        "postgresql://u:Zpa\n@h:x/db",
    ],
)
def test_where_the_password_ends_is_not_guessed(url: str) -> None:
    assert shown(url) == "postgresql://…"
