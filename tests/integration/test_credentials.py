"""Certificates and tokens: every problem at once, before anything is made, and changes under way."""

import asyncio
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from routeguide.errors import SettingsError
from routeguide.server import credentials
from routeguide.server.auth import TokenAuthority
from routeguide.server.credentials import load_credentials, open_credentials
from routeguide.settings import Settings
from tests.conftest import StartServer
from tests.support.certificates import Certificates
from tests.support.commands import left_in, run
from tests.support.server_process import server_process

GIVEN, OLD, NEW = "given-by-a-setting", "the-old-token-0001", "the-new-token-0002"


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(OLD)
    return path


def admitted(authority: TokenAuthority | None) -> set[str]:
    assert authority is not None
    return {token for token in (OLD, NEW, GIVEN) if authority.admits(f"Bearer {token}")}


async def test_without_either_there_are_none() -> None:
    async with open_credentials(Settings()) as found:
        assert (found.tls, found.authority) == (None, None)


def test_tokens_of_settings_and_file_together(tokens: Path) -> None:
    settings = Settings(auth_tokens=GIVEN, auth_tokens_file=str(tokens), tls_terminated=True)

    assert admitted(load_credentials(settings).authority) == {GIVEN, OLD}


async def test_tokens_change_under_way(tokens: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "_LOOK_AT_TOKENS_EVERY", 0.01)
    settings = Settings(auth_tokens_file=str(tokens), tls_terminated=True)

    async with open_credentials(settings) as found, asyncio.timeout(10):
        tokens.write_text(NEW)
        while admitted(found.authority) != {NEW}:  # noqa: ASYNC110  # a thread takes them, and tells nobody
            await asyncio.sleep(0.01)


def test_every_problem_of_every_file_is_told(made: Certificates, tokens: Path) -> None:
    made.server.certificate.write_bytes(b"")
    tokens.write_text("# nobody\n")
    settings = Settings(**made.server_settings(), auth_tokens_file=str(tokens))

    with pytest.raises(SettingsError) as raised:
        load_credentials(settings)

    assert [problem.partition(":")[0] for problem in raised.value.problems] == [
        "ROUTEGUIDE_TLS_CERT_FILE",
        "ROUTEGUIDE_AUTH_TOKENS_FILE",
    ]


@pytest.mark.parametrize(("command", "code"), [(["serve"], 2), (["config", "--check"], 1)])
async def test_bad_files_are_told_before_anything_is_made(
    tmp_path: Path, made: Certificates, command: list[str], code: int
) -> None:
    made.server.key.write_bytes(b"")
    empty = tmp_path / "empty"
    empty.mkdir()
    settings = {**made.server_settings(), "auth_tokens_file": "absent"}
    settings |= {"storage_url": "sqlite:///data/routeguide.db", "listen": "localhost:0"}
    env = {f"ROUTEGUIDE_{name.upper()}": value for name, value in settings.items()}

    finished = await run(*command, cwd=empty, env=env)

    assert (finished.code, finished.out) == (code, "")
    assert "ROUTEGUIDE_TLS_KEY_FILE" in finished.err
    assert (
        "ROUTEGUIDE_AUTH_TOKENS_FILE: absent: it cannot be read (No such file or directory)" in finished.err
    )
    assert left_in(empty) == []


async def test_start_tells_what_callers_need(start_server: StartServer, tokens: Path) -> None:
    with capture_logs() as logs:
        await start_server()
        await start_server(auth_tokens=GIVEN, auth_tokens_file=str(tokens), tls_terminated=True)

    serving = [(entry["auth"], entry["tokens"]) for entry in logs if entry["event"] == "serving"]
    assert serving == [("off", 0), ("tokens", 2)]


async def test_pipe_in_place_of_a_certificate_does_not_hold_up_the_end(made: Certificates) -> None:
    async with server_process(
        storage_url="memory://", tls_reload_interval="0.1", **made.server_settings()
    ) as server:
        pipe = made.folder / "pipe"
        os.mkfifo(pipe)
        pipe.replace(made.server.certificate)
        told = await server.logged("certificate not reloaded; the previous one stays")
        assert "it is no regular file" in told["problems"][0]
        assert await server.stop() == 0
