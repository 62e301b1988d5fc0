"""Where settings come from, and what is said about bad ones."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from routeguide.errors import SettingsError
from routeguide.formats.reading import Format
from routeguide.settings import Settings, source_of
from routeguide.settings.storage import SEED_EXTENSIONS


@pytest.fixture
def dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    monkeypatch.setattr("routeguide.settings.loading.DOTENV", path)
    return path


def test_flag_wins_over_variable_wins_over_dotenv(monkeypatch: pytest.MonkeyPatch, dotenv: Path) -> None:
    dotenv.write_text("ROUTEGUIDE_STOP_GRACE=1\nROUTEGUIDE_DRAIN_DELAY=1\nROUTEGUIDE_NOTES_TOTAL=1\n")
    monkeypatch.setenv("ROUTEGUIDE_STOP_GRACE", "2")
    monkeypatch.setenv("ROUTEGUIDE_DRAIN_DELAY", "2")
    flags = {"stop_grace": "3"}

    settings = Settings.load(flags)

    assert (settings.stop_grace, settings.drain_delay, settings.notes_total) == (3, 2, 1)
    fields = ["stop_grace", "drain_delay", "notes_total", "listen"]
    assert [source_of(field, flags) for field in fields] == ["flag", "variable", str(dotenv), "default"]


def test_every_problem_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {
        "LISTEN": "localhost",
        "STORAGE_URL": "oracle://x",
        "STOP_GRACE": "soon",
        "NOTES_PER_LOCATION": "0",
        "LOG_LEVEL": "loud",
        "REFLECTION": "maybe",
        "STROAGE_URL": "memory://",
    }
    for name, value in bad.items():
        monkeypatch.setenv(f"ROUTEGUIDE_{name}", value)

    with pytest.raises(SettingsError) as raised:
        Settings.load()

    assert {problem.partition(":")[0] for problem in raised.value.problems} == {
        f"ROUTEGUIDE_{name}" for name in bad
    }
    assert "did you mean ROUTEGUIDE_STORAGE_URL?" in str(raised.value)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("reflection", "maybe", "must be true or false (it is 'maybe')"),
        ("stop_grace", "soon", "must be a number (it is 'soon')"),
        ("stop_grace", "nan", "must be at most 3600 (it is 'nan')"),
        ("stop_grace", "-1", "must be at least 0 (it is '-1')"),
        ("storage_timeout", "0", "must be more than 0 (it is '0')"),
        ("max_note_bytes", "many", "must be a whole number (it is 'many')"),
        ("notes_per_location", "10001", "must be at most 10000 (it is '10001')"),
        ("postgres_application_name", "", "must not be empty (it is '')"),
        ("postgres_application_name", "x" * 64, f"must have at most 63 characters (it is '{'x' * 64}')"),
        ("postgres_application_name", "é", "must match ^[ -~]+$ (it is 'é')"),
        ("log_level", "loud", "must be 'debug', 'info', 'warning' or 'error' (it is 'loud')"),
    ],
)
def test_problems_are_told_in_words_for_operators(field: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load({field: value})

    assert raised.value.problems == (f"ROUTEGUIDE_{field.upper()}: {words}",)


@pytest.mark.parametrize(
    "field",
    [name for name, info in Settings.model_fields.items() if info.annotation not in (str, SecretStr)],
)
def test_no_setting_is_told_of_in_the_words_of_pydantic(field: str) -> None:
    with pytest.raises(SettingsError, match=f"^ROUTEGUIDE_{field.upper()}: must "):
        Settings.load({field: "-"})


@pytest.mark.parametrize(
    ("name", "meant"),
    [("LISTENN", "LISTEN"), ("TOKENS", "AUTH_TOKENS"), ("loglevel", "LOG_LEVEL"), ("BOGUS", ""), ("X", "")],
)
def test_only_a_name_that_is_near_is_suggested(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(f"ROUTEGUIDE_{name}", "1")

    with pytest.raises(SettingsError) as raised:
        Settings.load()

    hint = f"; did you mean ROUTEGUIDE_{meant}?" if meant else ""
    assert raised.value.problems == (f"ROUTEGUIDE_{name}: there is no such setting{hint}",)


@pytest.mark.parametrize(
    "name",
    [
        "ROUTEGUIDE_SERVICE_HOST",
        "ROUTEGUIDE_PORT",
        "ROUTEGUIDE_PORT_50051_TCP_ADDR",
        "ROUTEGUIDE_GRPC_SERVICE_PORT_HTTP2",
        "ROUTEGUIDE_GRPC_PORT_50051_TCP",
    ],
)
def test_what_kubernetes_injects_is_no_mistake(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "tcp://10.0.0.1:50051")

    assert Settings.load() == Settings()


@pytest.mark.parametrize(
    "address", ["localhost:0", "127.0.0.1:50051", "[::]:50051", "[::1]:0", "0.0.0.0:1", "a.b-c.example:65535"]
)
def test_good_addresses(address: str) -> None:
    assert Settings.load({"listen": address}).listen == address


@pytest.mark.parametrize(
    "address",
    ["", "localhost", ":50051", "::1:50051", "localhost:65536", "localhost:x", "u@h:1", "h:1/x", "h:-1"],
)
def test_bad_addresses(address: str) -> None:
    with pytest.raises(SettingsError, match="HOST:PORT"):
        Settings.load({"listen": address})


def test_case_of_words_does_not_matter() -> None:
    assert Settings.load({"log_level": "INFO", "log_format": "Json"}).log_level == "info"


@pytest.mark.parametrize("url", ["memory://", "sqlite:///a.db", "sqlite:////tmp/a.db"])
def test_good_storage_urls(url: str) -> None:
    assert Settings.load({"storage_url": url}).storage_url == url


@pytest.mark.parametrize(
    "url", ["", "memory:", "sqlite://", "sqlite:///", "sqlite:///a?mode=ro", "mysql://h/db"]
)
def test_bad_storage_urls(url: str) -> None:
    with pytest.raises(SettingsError, match="ROUTEGUIDE_STORAGE_URL"):
        Settings.load({"storage_url": url})


@pytest.mark.parametrize("source", ["sample", "none", "a.json", "/a/b.GeoJSON", "a.b.csv"])
def test_good_seeds(source: str) -> None:
    assert Settings.load({"seed_features": source}).seed_features == source


@pytest.mark.parametrize("source", ["", "sampel", "Sample", "features.txt", ".json"])
def test_bad_seeds(source: str) -> None:
    with pytest.raises(SettingsError, match=r"ROUTEGUIDE_SEED_FEATURES: must be sample, none or a file"):
        Settings.load({"seed_features": source})


def test_every_format_can_be_a_seed() -> None:
    assert set(SEED_EXTENSIONS) == {f".{each}" for each in Format}


def test_misspelt_names_in_dotenv_are_told_too(dotenv: Path) -> None:
    dotenv.write_text("ROUTEGUIDE_LISTENN=localhost:1\nOTHER=x\n")

    with pytest.raises(SettingsError, match="did you mean ROUTEGUIDE_LISTEN"):
        Settings.load()


def test_dotenv_that_cannot_be_read_is_told(dotenv: Path) -> None:
    dotenv.write_bytes(b"ROUTEGUIDE_LISTEN=\xff\xfe\n")

    with pytest.raises(SettingsError, match=r"\.env: it cannot be read"):
        Settings.load()


def test_largest_age_is_one_that_every_backend_can_count_with() -> None:
    assert Settings.load({"notes_max_age": "1e10"}).notes_max_age == 1e10
    with pytest.raises(SettingsError, match="ROUTEGUIDE_NOTES_MAX_AGE"):
        Settings.load({"notes_max_age": "1e11"})


def test_longest_note_must_fit_a_request() -> None:
    with pytest.raises(SettingsError, match=r"ROUTEGUIDE_MAX_REQUEST_BYTES.*ROUTEGUIDE_MAX_NOTE_BYTES"):
        Settings.load({"max_note_bytes": "5000", "max_request_bytes": "5000"})


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("field", ["stop_grace", "drain_delay", "notes_max_age", "storage_timeout"])
def test_times_are_finite(field: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"ROUTEGUIDE_{field.upper()}"):
        Settings.load({field: value})
