"""`routeguide features` as a shell runs it."""

import asyncio
import os
import pty
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.commands import COMMAND, ended, environment, left_in, run

ROWS = "latitude,longitude,name\r\n40.7838351,-74.6143763,Here\r\n-90.0000000,180.0000000,\r\n"


@pytest.fixture
def store(tmp_path: Path) -> tuple[str, str]:
    return ("--storage-url", f"sqlite:///{tmp_path}/routeguide.db")


async def test_a_file_is_imported_twice_and_exported(tmp_path: Path, store: tuple[str, str]) -> None:
    (tmp_path / "in.csv").write_text(ROWS, newline="")

    first = await run("features", "import", "in.csv", *store, cwd=tmp_path)
    second = await run("features", "import", "in.csv", *store, cwd=tmp_path)
    export = await run("features", "export", "out.csv", *store, cwd=tmp_path)

    assert (first.code, first.err) == (0, "")
    assert first.out == "Imported 2 features: 2 new, 0 renamed, 0 unchanged.\n"
    assert second.out == "Imported 2 features: 0 new, 0 renamed, 2 unchanged.\n"
    assert (export.code, export.out, export.err) == (0, "", "Exported 2 features.\n")
    assert (tmp_path / "out.csv").read_bytes().decode() == ROWS


async def test_commands_can_be_piped(store: tuple[str, str]) -> None:
    imported = await run("features", "import", "-", "--format", "csv", *store, stdin=ROWS)
    exported = await run("features", "export", "-", "--format", "csv", *store)

    assert imported.code == 0, imported.err
    assert exported.out == ROWS
    assert exported.err == "Exported 2 features.\n"


@pytest.mark.parametrize("command", ["import", "export"])
async def test_a_standard_stream_needs_a_format(command: str, store: tuple[str, str]) -> None:
    result = await run("features", command, "-", *store)

    assert result.code == 2
    assert "--format has to name the format" in result.err


@pytest.mark.parametrize("command", ["import", "export"])
async def test_memory_is_refused_with_what_to_do_instead(command: str) -> None:
    result = await run("features", command, "f.csv", "--storage-url", "memory://")

    assert result.code == 2
    assert "ROUTEGUIDE_SEED_FEATURES" in result.err


async def test_a_store_that_is_not_there_is_not_made_to_be_exported(
    tmp_path: Path, store: tuple[str, str]
) -> None:
    result = await run("features", "export", "out.csv", *store, cwd=tmp_path)

    assert (result.code, result.out) == (1, "")
    assert result.err == f"Error: there is no database at {store[1]}\n"
    assert left_in(tmp_path) == []


async def test_a_file_that_exists_is_overwritten_with_force(tmp_path: Path, store: tuple[str, str]) -> None:
    (tmp_path / "in.csv").write_text(ROWS, newline="")
    (tmp_path / "out.csv").touch()
    await run("features", "import", "in.csv", *store, cwd=tmp_path)

    refused = await run("features", "export", "out.csv", *store, cwd=tmp_path)
    forced = await run("features", "export", "out.csv", *store, "--force", cwd=tmp_path)

    assert (refused.code, refused.out) == (1, "")
    assert refused.err == f"Error: {tmp_path}/out.csv: exists already; --force overwrites it\n"
    assert forced.code == 0
    assert (tmp_path / "out.csv").read_bytes().decode() == ROWS


async def test_a_bad_file_is_reported_row_by_row(tmp_path: Path, store: tuple[str, str]) -> None:
    (tmp_path / "bad.csv").write_text(f"{ROWS}x,1,\n1,2,3,4\n")

    result = await run("features", "import", "bad.csv", *store, cwd=tmp_path)

    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines() == [
        "Error: bad.csv: nothing was imported because of 2 problems:",
        "  line 4: latitude: 'x' is not a number of degrees such as 40.7838351",
        "  line 5: has 4 cells where the header has 3",
    ]


async def test_a_terminal_is_shown_the_progress(tmp_path: Path, store: tuple[str, str]) -> None:
    (tmp_path / "in.csv").write_text(ROWS)
    reading, terminal = pty.openpty()
    command = (*COMMAND, "features", "import", "in.csv", *store)

    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=tmp_path,
        env=environment({"TERM": "xterm"}),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=terminal,
    )
    async with asyncio.timeout(30):
        assert await process.wait() == 0
    os.close(terminal)

    assert b"Importing" in os.read(reading, 65_536)
    os.close(reading)


async def test_ctrl_c_ends_an_import_that_looks_for_problems(tmp_path: Path, store: tuple[str, str]) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(b"latitude,longitude\n" + b"x,1\n" * 2_000_000)
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "features", "import", path, *store, env=environment(), stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(30):
            await half_a_megabyte_read(process.pid, path)
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(10):  # all of it takes a quarter of a minute
                _, err = await process.communicate()
    finally:
        await ended(process)

    assert process.returncode == 130
    assert err == b""


async def half_a_megabyte_read(pid: int, path: Path) -> None:
    """Returns once a process is that far into a file; the caller sets the deadline."""
    while not any(each > 500_000 for each in positions(pid, path)):  # noqa: ASYNC110  # another process has no event
        await asyncio.sleep(0.02)


def positions(pid: int, path: Path) -> Iterator[int]:
    """Where a process stands in the file at `path`, if it has opened that."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it may be closed meanwhile
            if descriptor.readlink() == path:
                information = Path(f"/proc/{pid}/fdinfo/{descriptor.name}").read_text()
                yield int(information.split()[1])


async def test_ctrl_c_ends_an_import_that_waits_for_its_input(tmp_path: Path, store: tuple[str, str]) -> None:
    command = (*COMMAND, "features", "import", "-", "--format", "csv", *store)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=environment(), stdin=pipe, stderr=pipe
    )
    assert process.stdin is not None
    try:
        async with asyncio.timeout(30):
            # More than a pipe holds: once it is written, the command must be reading.
            process.stdin.write(b" " * 1_000_000)
            await process.stdin.drain()
            process.send_signal(signal.SIGINT)
            _, err = await process.communicate()
    finally:
        await ended(process)

    assert process.returncode == 130
    assert b"Traceback" not in err
