"""Reading lines without blocking the loop."""

import asyncio
import os
import threading
from collections.abc import Generator
from contextlib import aclosing
from pathlib import Path

import pytest

from routeguide.cli.lines import read_lines

DEADLINE = 10.0


@pytest.fixture
def pipe() -> Generator[tuple[int, int], None, None]:
    """The end to read from and the end to write to."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue  # the test has closed it


async def lines_of(descriptor: int) -> list[str]:
    async with asyncio.timeout(DEADLINE), aclosing(read_lines(descriptor)) as lines:
        return [line async for line in lines]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\r\ntwo", ["one", "two"]),
        (b"\n\n", ["", ""]),
        ("é\n".encode(), ["é"]),
        (b"\xff\n", ["\N{REPLACEMENT CHARACTER}"]),
    ],
)
async def test_lines_of_a_pipe(pipe: tuple[int, int], data: bytes, lines: list[str]) -> None:
    os.write(pipe[1], data)
    os.close(pipe[1])

    assert await lines_of(pipe[0]) == lines


async def test_lines_of_a_file_longer_than_a_chunk(tmp_path: Path) -> None:
    expected = [f"{number:06}" for number in range(30_000)]
    path = tmp_path / "lines"
    path.write_text("\n".join(expected))

    with path.open() as file:
        assert await lines_of(file.fileno()) == expected


async def test_a_line_comes_as_soon_as_it_is_written(pipe: tuple[int, int]) -> None:
    async with asyncio.timeout(DEADLINE), aclosing(read_lines(pipe[0])) as lines:
        for word in ("one", "two"):
            os.write(pipe[1], f"{word}\n".encode())
            assert await anext(lines) == word


async def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError):
            await lines_of(descriptor)
    finally:
        os.close(descriptor)


def test_an_interrupted_reader_does_not_wait_for_another_line(pipe: tuple[int, int]) -> None:
    """The loop ends at once, and the thread that is left behind ends without complaint."""

    async def begin_and_stop() -> None:
        waiting = asyncio.create_task(lines_of(pipe[0]))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])

    before = set(threading.enumerate())
    asyncio.run(begin_and_stop())

    (left_behind,) = (each for each in set(threading.enumerate()) - before if each.name == "read-lines")
    os.close(pipe[1])
    left_behind.join(DEADLINE)
    assert not left_behind.is_alive()
