"""`serve`, `healthcheck` and `config` as an operator runs them."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.commands import PATIENTLY, left_in, run


async def test_a_ready_server_is_healthy(start_server: StartServer) -> None:
    server = await start_server()

    finished = await run("healthcheck", *PATIENTLY, env={"ROUTEGUIDE_LISTEN": server.address})

    assert (finished.code, finished.out, finished.err) == (0, "SERVING\n", "")


@pytest.mark.parametrize("listen", ["0.0.0.0", "[::]"])  # noqa: S104  # the setting of the one that asks
async def test_a_server_on_every_interface_is_asked_through_loopback(
    start_server: StartServer, listen: str
) -> None:
    server = await start_server()

    finished = await run("healthcheck", *PATIENTLY, env={"ROUTEGUIDE_LISTEN": f"{listen}:{server.port}"})

    assert finished.code == 0


async def test_a_health_check_does_not_look_at_files_of_the_database(start_server: StartServer) -> None:
    """They may be in the middle of a replacement."""
    server = await start_server()

    finished = await run(
        "healthcheck",
        *PATIENTLY,
        env={
            "ROUTEGUIDE_LISTEN": server.address,
            "ROUTEGUIDE_STORAGE_URL": "postgresql://localhost/routeguide",
            "ROUTEGUIDE_POSTGRES_PASSWORD_FILE": "absent",
        },
    )

    assert (finished.code, finished.err) == (0, "")


async def test_a_server_that_is_not_there_is_not_healthy() -> None:
    finished = await run("healthcheck", *PATIENTLY, "--target", "localhost:1")

    assert (finished.code, finished.out) == (1, "")
    assert finished.err.startswith("localhost:1 is not healthy: UNAVAILABLE")


@pytest.mark.parametrize(
    ("args", "variables", "problem"),
    [
        ([], {"ROUTEGUIDE_X": "1"}, "ROUTEGUIDE_X: there is no such setting"),
        (
            [],
            {"ROUTEGUIDE_LISTEN": "localhost:0"},
            "a server that listens on localhost:0 takes any free port",
        ),
        (["--target", "localhost"], {}, "Invalid value for '--target': localhost must be HOST:PORT"),
        (["--deadline", "soon"], {}, "Invalid value for '--deadline'"),
        (["--haste"], {}, "No such option '--haste'"),
    ],
)
async def test_a_health_check_that_cannot_be_made_ends_with_1(
    args: list[str], variables: dict[str, str], problem: str
) -> None:
    finished = await run("healthcheck", *args, env=variables)

    assert (finished.code, finished.out) == (1, "")
    assert finished.err.startswith(problem)


async def test_every_wrong_setting_is_told_before_anything_starts(tmp_path: Path) -> None:
    finished = await run(
        "serve", "--listen", "nowhere", cwd=tmp_path, env={"ROUTEGUIDE_LOG_LEVEL": "loud", "ROUTEGUIDE_X": ""}
    )

    assert (finished.code, finished.out) == (2, "")
    beginnings = [line.partition(":")[0] for line in finished.err.splitlines()]
    assert sorted(beginnings) == ["--listen", "ROUTEGUIDE_LOG_LEVEL", "ROUTEGUIDE_X"]
    assert left_in(tmp_path) == []


async def test_a_port_that_is_taken_is_told(start_server: StartServer) -> None:
    server = await start_server()

    finished = await run("serve", "--listen", server.address, "--storage-url", "memory://")

    assert finished.code == 2
    assert server.address in finished.err.splitlines()[-1]
    assert "Traceback" not in finished.err


async def test_dotenv_is_read_in_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ROUTEGUIDE_LOG_LEVEL=error\n")

    finished = await run("config", cwd=tmp_path)

    line = next(line for line in finished.lines if line.startswith("log_level"))
    assert line.split() == ["log_level", "error", ".env", "ROUTEGUIDE_LOG_LEVEL"]
