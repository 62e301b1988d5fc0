"""The README's commands, run as they are written, print what it shows; so do those for trying tokens."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_foreign_clients import execute, grpcurl
from tests.support.commands import run
from tests.support.server_process import server_process

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
TRANSCRIPT = (Path(__file__).parent / "data" / "transcript.txt").read_text()


def examples_of(document: str, heading: str) -> list[str]:
    """The commands of a section's console block, each with its printed output."""
    block = document.split(f"\n## {heading}\n")[1].split("```console\n")[1].split("```", maxsplit=1)[0]
    return re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]


def commands(heading: str) -> Iterator[tuple[list[str], str]]:
    """The README's commands of a section, split as a shell does, each with its printed output."""
    for example in examples_of(README, heading):
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


async def test_the_lines_with_a_token(tmp_path: Path) -> None:
    if not (shutil.which("openssl") and shutil.which("sha256sum")):
        pytest.skip("openssl or sha256sum is not here")
    *making, serving, calling = examples_of(CONFIGURATION, "Tokens")
    (_, *flags), (name, *arguments) = ([*here(shlex.split(line), tmp_path)] for line in (serving, calling))
    *without_token, flag, _ = arguments
    assert (name, flag) == ("get-feature", "--token-file")

    assert (await run("dev-certs", str(tmp_path / "certs"))).code == 0
    made = await execute("sh", "-ec", "".join([f"cd {shlex.quote(str(tmp_path))}\n", *making]))
    assert (made.code, made.err) == (0, "")
    async with server_process(*flags, storage_url="memory://") as server:
        answered = await run(name, *arguments, "--target", server.address)
        refused = await run(name, *without_token, "--target", server.address)

    assert (answered.code, answered.err) == (0, "")
    assert "UNAUTHENTICATED" in refused.err


def here(command: list[str], folder: Path) -> Iterator[str]:
    """The arguments of `command`, with the files that it names in `folder`."""
    program, *arguments = command
    assert program.removeprefix(".venv/bin/") == "routeguide"
    for argument in arguments:
        yield str(folder / argument) if argument.startswith("certs") else argument


def test_the_demo_s_beginning() -> None:
    ((command, printed),) = commands("See what it does")

    assert command == ["make", "demo"]
    beginning = printed.removesuffix("…").strip().splitlines()
    assert [line.rstrip() for line in TRANSCRIPT.splitlines()][: len(beginning)] == beginning
