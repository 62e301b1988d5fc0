"""Who is warned before a second process writes to a database that is in use."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from routeguide.cli import main
from routeguide.server.app import serving
from routeguide.settings import Settings
from routeguide.storage.sqlite.second_writer import exposed_to_wal_reset


@pytest.mark.parametrize(
    ("version", "exposed"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_versions_with_the_fault(version: tuple[int, int, int], exposed: bool) -> None:
    assert exposed_to_wal_reset(version) is exposed


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "routeguide.db"
    assert said_by("migrate", path) == ""
    return path


@pytest.fixture
def in_use(database: Path) -> Iterator[None]:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("SELECT * FROM feature").fetchall()
        yield


def said_by(command: str, database: Path, *options: str) -> str:
    """What a command says on stderr."""
    url = f"sqlite:///{database}"
    result = CliRunner().invoke(
        main, [*command.split(), *options, "--storage-url", url], "latitude,longitude\n"
    )
    assert result.exit_code == 0, result.output
    return result.stderr


COMMANDS_THAT_WRITE = ["migrate", "features import - --format csv"]


@pytest.mark.usefixtures("in_use")
@pytest.mark.parametrize("command", COMMANDS_THAT_WRITE)
def test_a_command_warns_where_a_server_uses_the_file(
    database: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 2))
    said = said_by(command, database)
    assert said.startswith(f"Caution: another process seems to use {database}")
    assert said.count("\n") == 1


@pytest.mark.usefixtures("in_use")
@pytest.mark.parametrize("command", COMMANDS_THAT_WRITE)
def test_none_warns_with_a_mended_version(
    database: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    assert said_by(command, database) == ""


@pytest.mark.parametrize("command", COMMANDS_THAT_WRITE)
def test_none_warns_where_nobody_uses_the_file(
    database: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    assert said_by(command, database) == ""


@pytest.mark.usefixtures("in_use")
@pytest.mark.parametrize(("version", "cautions"), [((3, 51, 2), 1), ((3, 51, 3), 0)])
async def test_a_second_server_logs_it(
    database: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], cautions: int
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    settings = Settings(listen="localhost:0", storage_url=f"sqlite:///{database}", stop_grace=0)
    with capture_logs() as entries:
        async with serving(settings):
            pass

    said = [entry["caution"] for entry in entries if entry["log_level"] == "warning"]
    assert len(said) == cautions
    assert all(str(database) in caution for caution in said)


@pytest.mark.usefixtures("in_use")
def test_looking_needs_no_warning(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    assert said_by("migrate", database, "--status") == ""
