"""Where output goes that cannot be written, or cannot spell what is in it; and interruptions of the start."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from routeguide.domain.models import Feature, Point
from routeguide.storage import open_storage
from tests.conftest import StartServer
from tests.support.commands import COMMAND, DEADLINE, ended, environment, run

FULL = Path("/dev/full")
NAME = "Café 🦤"
EVERYTHING = ("-90.0,-180.0", "90.0,180.0")

NARROW = {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}

needs_full_device = pytest.mark.skipif(not FULL.exists(), reason="needs Linux's /dev/full")


@pytest.fixture
async def database(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/routeguide.db"
    async with open_storage(url, timeout=5) as storage:
        await storage.features.import_all([Feature(NAME, Point(0, 0))])
    return url


@pytest.fixture
async def target(start_server: StartServer, database: str) -> str:
    return (await start_server(storage_url=database)).address


async def told_where_output_is(path: Path, *args: str) -> tuple[int | None, str]:
    """The exit code of a command whose output goes to `path`, and what it says on standard error."""
    with path.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *args, env=environment(), stdout=out, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(DEADLINE):
                _, err = await process.communicate()
        finally:
            await ended(process)
    return process.returncode, err.decode()


@needs_full_device
@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["config"],
        ["config", "--format", "json"],
        ["config", "--check"],
        ["demo"],
        ["features", "export", "-", "--format", "csv"],
        ["features", "export", "-", "--format", "json"],
    ],
    ids=" ".join,
)
async def test_a_full_disk_is_told(args: list[str], database: str) -> None:
    storage = ["--storage-url", database] if args[0] == "features" else []

    code, err = await told_where_output_is(FULL, *args, *storage)

    assert (code, err) == (1, "Error: standard output: cannot be written: No space left on device\n")


@needs_full_device
@pytest.mark.parametrize("output", ["text", "json"])
async def test_a_full_disk_is_told_once_a_server_has_answered(target: str, output: str) -> None:
    for args in (["list-features", *EVERYTHING], ["get-feature", "0,0"], ["record-route", "0,0"]):
        code, err = await told_where_output_is(FULL, *args, "--target", target, "--format", output)

        assert (code, err) == (1, "Error: standard output: cannot be written: No space left on device\n")


@pytest.mark.parametrize("output", ["text", "json"])
async def test_a_reader_that_has_seen_enough_is_told_nothing(target: str, output: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        args = ("list-features", *EVERYTHING, "--target", target, "--format", output)
        assert await told_where_output_is(Path(f"/dev/fd/{writing}"), *args) == (1, "")
    finally:
        os.close(writing)


async def test_no_standard_output_is_told(database: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", 'exec "$@" >&-', "sh", *COMMAND),
        *("features", "export", "-", "--format", "csv", "--storage-url", database),
        env=environment(),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE):
            _, err = await process.communicate()
    finally:
        await ended(process)

    assert (process.returncode, err) == (1, b"Error: standard output: there is none; it was closed\n")


async def test_what_a_locale_cannot_spell_is_escaped(target: str) -> None:
    finished = await run("list-features", *EVERYTHING, "--target", target, env={"PYTHONIOENCODING": "ascii"})

    assert (finished.code, finished.err) == (0, "")
    assert r"\U0001f9a4" in finished.out


@pytest.mark.parametrize("locale", NARROW, ids=lambda each: each["PYTHONIOENCODING"])
async def test_json_is_utf_8_in_every_locale(target: str, locale: dict[str, str]) -> None:
    listed = await run("list-features", *EVERYTHING, "--target", target, "--format", "json", env=locale)
    found = await run("get-feature", "0,0", "--target", target, "--format", "json", env=locale)

    feature = json.loads(found.out)
    assert feature["properties"]["name"] == NAME
    assert json.loads(listed.out)["features"] == [feature]


@pytest.mark.parametrize("locale", NARROW, ids=lambda each: each["PYTHONIOENCODING"])
async def test_files_are_utf_8_in_every_locale(database: str, locale: dict[str, str]) -> None:
    exported = await run("features", "export", "-", "--format", "csv", "--storage-url", database, env=locale)

    assert exported.out.splitlines()[1] == f"0.0000000,0.0000000,{NAME}"


@pytest.mark.parametrize("module", ["click", "routeguide.cli.config"])
def test_ctrl_c_while_the_program_is_being_imported_is_quiet(module: str) -> None:
    program = f"""
import runpy, sys

class Interrupted:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
sys.argv = ["routeguide", "config"]
runpy.run_module("routeguide", run_name="__main__")
"""
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE, check=False
    )

    assert (finished.returncode, finished.stdout, finished.stderr) == (130, "", "")
