"""The group of commands: what it lists, imports, and makes of errors."""

import errno
import subprocess
import sys
from importlib import import_module

import click
import pytest
from click.testing import CliRunner, Result

from routeguide import __version__
from routeguide.cli import main
from routeguide.cli.group import COMMANDS
from routeguide.errors import SettingsError, StorageUnavailable


def invoke_failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Runs a command that raises `error`."""

    def fail(**_: object) -> None:
        raise error

    command = import_module("routeguide.cli.config").config
    monkeypatch.setattr(command, "callback", fail)
    return CliRunner().invoke(main, ["config"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])

    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main {command} ")


def test_help_lists_every_command_in_order() -> None:
    output = CliRunner().invoke(main, ["-h"]).output

    lines = output.partition("Commands:")[2].splitlines()
    assert [line.split()[0] for line in lines if line] == list(COMMANDS)


def test_version() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"routeguide, version {__version__}\n"


def test_an_unknown_command_is_wrong_usage() -> None:
    result = CliRunner().invoke(main, ["fly"])

    assert result.exit_code == 2
    assert "No such command 'fly'" in result.stderr


def test_settings_errors_are_told_one_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    result = invoke_failing(SettingsError(["one", "two"]), monkeypatch)

    assert (result.exit_code, result.stdout, result.stderr) == (2, "", "one\ntwo\n")


def test_expected_errors_are_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    result = invoke_failing(StorageUnavailable("the store is away"), monkeypatch)

    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Error: the store is away\n")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), click.Abort()])
def test_interruptions_are_quiet(interruption: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    result = invoke_failing(interruption, monkeypatch)

    assert (result.exit_code, result.output) == (130, "")


def test_a_broken_pipe_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout, stderr = sys.stdout, sys.stderr
    try:
        result = invoke_failing(OSError(errno.EPIPE, "broken pipe"), monkeypatch)
    finally:  # click keeps both from complaining at exit, which here is not near
        sys.stdout, sys.stderr = stdout, stderr

    assert (result.exit_code, result.output) == (1, "")


def test_defects_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    result = invoke_failing(ZeroDivisionError("a defect"), monkeypatch)

    assert isinstance(result.exception, ZeroDivisionError)


@pytest.mark.parametrize(
    ("args", "unneeded"),
    [
        (["--help"], ["pydantic", "grpc", "rich", "prompt_toolkit", "asyncio"]),
        (
            ["healthcheck", "--help"],
            ["pydantic", "rich", "prompt_toolkit", "routeguide.storage", "routeguide.server"],
        ),
    ],
)
def test_a_command_does_not_wait_for_what_others_need(args: list[str], unneeded: list[str]) -> None:
    program = (
        f"import sys; from routeguide.cli import main; main({args!r}, standalone_mode=False);"
        f" print('imported:', sorted(set(sys.modules) & set({unneeded!r})))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )

    assert result.stdout.splitlines()[-1] == "imported: []"
