"""The flags of the settings, and `config`, which shows what they come to."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from routeguide.cli import main
from routeguide.cli.config import config
from routeguide.settings import Settings, variable


def invoke(*args: str) -> Result:
    return CliRunner().invoke(main, ["config", *args])


def described(*args: str) -> dict[str, dict[str, object]]:
    result = invoke(*args, "--format", "json")
    assert result.exit_code == 0, result.output
    answer: dict[str, dict[str, object]] = json.loads(result.stdout)
    return answer


def without_blanks(text: str) -> str:
    """`text`, however it was broken into lines."""
    return "".join(text.split())


def test_every_setting_but_secrets_has_a_flag_with_its_description_and_default() -> None:
    text = without_blanks(invoke("--help").output)
    public = {
        field: info for field, info in Settings.model_fields.items() if info.annotation is not SecretStr
    }

    names = {option.name for option in config.params}
    assert names & set(Settings.model_fields) == set(public)
    for info in public.values():
        assert info.description is not None
        assert without_blanks(info.description) in text
    assert text.count("[default:") == len(public) + 1  # and --format


def test_defaults_are_shown_as_such() -> None:
    assert described()["listen"] == {
        "value": "localhost:50051",
        "source": "default",
        "variable": "ROUTEGUIDE_LISTEN",
    }
    assert list(described()) == list(Settings.model_fields)


def test_a_flag_wins_over_a_variable_and_a_variable_over_dotenv(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("ROUTEGUIDE_DRAIN_DELAY=1\nROUTEGUIDE_STOP_GRACE=1\nROUTEGUIDE_NOTES_TOTAL=1\n")
    monkeypatch.setattr("routeguide.settings.loading.DOTENV", dotenv)
    for field in ("drain_delay", "stop_grace"):
        monkeypatch.setenv(variable(field), "2")

    shown = described("--drain-delay", "3")

    assert [shown[field]["value"] for field in ("drain_delay", "stop_grace", "notes_total")] == [3, 2, 1]
    assert [shown[field]["source"] for field in ("drain_delay", "stop_grace")] == ["flag", "variable"]
    assert shown["notes_total"]["source"] == str(dotenv)


@pytest.mark.parametrize(("flag", "value"), [("--reflection", True), ("--no-reflection", False)])
def test_booleans_are_switched_on_and_off(flag: str, value: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTEGUIDE_REFLECTION", str(not value))

    assert described(flag)["reflection"]["value"] is value


def test_check_reports_every_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTEGUIDE_STORAG_URL", "memory://")
    monkeypatch.setenv("ROUTEGUIDE_NOTES_TOTAL", "many")

    result = invoke("--check", "--listen", "nowhere", "--stop-grace=-1")

    assert result.exit_code == 1
    assert result.stdout == ""
    beginnings = [line.partition(":")[0] for line in result.stderr.splitlines()]
    assert beginnings == ["ROUTEGUIDE_STORAG_URL", "--listen", "--stop-grace", "ROUTEGUIDE_NOTES_TOTAL"]


def test_check_says_ok() -> None:
    result = invoke("--check")

    assert (result.exit_code, result.output) == (0, "ok\n")


def test_wrong_settings_end_any_other_command_with_exit_code_2() -> None:
    result = invoke("--listen", "nowhere", "--notes-total", "0")

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 2


def test_a_password_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTEGUIDE_SEED_FEATURES", "ftp://user:sesame@host/features.json")

    outputs = [
        invoke().output,
        invoke("--format", "json").output,
        invoke("--check", "--storage-url", "mysql://user:sesame@host/db").output,
    ]

    for output in outputs:
        assert "user:****@host" in output
        assert "sesame" not in output


def test_text_has_a_line_for_each_setting_which_no_width_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = "/long" * 40

    lines = invoke("--storage-url", f"sqlite:///{path}").output.splitlines()

    assert len(lines) == len(Settings.model_fields) + 1
    assert ["storage_url", f"sqlite:///{path}", "flag", "ROUTEGUIDE_STORAGE_URL"] in map(str.split, lines)
