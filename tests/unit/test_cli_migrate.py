"""`routeguide migrate` on a database file."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from routeguide.cli import main


def migrate(url: str, *args: str) -> list[str]:
    result = CliRunner().invoke(main, ["migrate", "--storage-url", url, *args])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/routeguide.db"


@pytest.mark.parametrize("look", ["--status", "--dry-run"])
def test_looking_creates_nothing(url: str, tmp_path: Path, look: str) -> None:
    migrate(url, look)

    assert list(tmp_path.iterdir()) == []


def test_what_is_pending_is_applied_once(url: str) -> None:
    assert migrate(url, "--status")[0].split() == ["0001.features-and-notes", "pending"]
    assert migrate(url, "--dry-run")[0] == "Would apply 0001.features-and-notes"
    assert migrate(url)[0] == "Applied 0001.features-and-notes"
    assert migrate(url) == ["Nothing to apply: the database is up to date"]
    assert migrate(url, "--dry-run") == ["Nothing to apply: the database is up to date"]


def test_the_time_of_a_migration_is_shown(url: str) -> None:
    migrate(url)

    name, applied, date, *_ = migrate(url, "--status")[0].split()
    assert (name, applied) == ("0001.features-and-notes", "applied")
    assert date.count("-") == 2


def test_memory_has_nothing_to_migrate() -> None:
    result = CliRunner().invoke(main, ["migrate", "--storage-url", "memory://"])

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: there is nothing to migrate in memory://")
