"""The README's commands, run as they are written, print what it shows."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_foreign_clients import execute, grpcurl
from tests.support.commands import run
from tests.support.server_process import server_process

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TRANSCRIPT = (Path(__file__).parent / "data" / "transcript.txt").read_text()


def commands(heading: str) -> Iterator[tuple[list[str], str]]:
    """The commands of a section's console block, split as a shell does, each with its printed output."""
    block = README.split(f"\n## {heading}\n")[1].split("```console\n")[1].split("```")[0]
    for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = example.splitlines(keepends=True)
        for end in range(1, len(lines) + 1):
            command = "".join(lines[:end])
            if not command.endswith("\\\n") and command.count("'") % 2 == 0:
                yield shlex.split(command.replace("\\\n", " ")), "".join(lines[end:]).strip()
                break


async def test_grpcurl_lines() -> None:
    program = grpcurl()
    if program is None:
        pytest.skip("grpcurl is not here: go install github.com/fullstorydev/grpcurl/cmd/grpcurl@latest")
    examples = list(commands("Explore it"))
    assert len(examples) == 6
    async with server_process(storage_url="memory://") as server:
        for (name, *arguments), printed in examples:
            assert name == "grpcurl"
            here = [argument.replace("localhost:50051", server.address) for argument in arguments]
            finished = await execute(program, *here)
            assert finished.out.strip() == printed, finished.err


async def test_the_lines_with_tls(tmp_path: Path) -> None:
    (making, _), (serving, _), (calling, _) = commands("Encrypt it")
    making, (_, *flags), (name, *arguments) = ([*here(line, tmp_path)] for line in (making, serving, calling))
    assert name == "get-feature"

    assert (await run(*making)).code == 0
    async with server_process(*flags, storage_url="memory://") as server:
        answered = await run(name, *arguments, "--target", server.address)

    assert (answered.code, answered.err) == (0, "")


def here(command: list[str], folder: Path) -> Iterator[str]:
    """The arguments of `command`, with the files that it names in `folder`."""
    program, *arguments = command
    assert program == ".venv/bin/routeguide"
    for argument in arguments:
        yield str(folder / argument) if argument.startswith("certs") else argument


def test_the_demo_s_beginning() -> None:
    ((command, printed),) = commands("See what it does")

    assert command == ["make", "demo"]
    beginning = printed.removesuffix("…").strip().splitlines()
    assert [line.rstrip() for line in TRANSCRIPT.splitlines()][: len(beginning)] == beginning
