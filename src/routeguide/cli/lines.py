"""Lines of standard input or of a file, without blocking the event loop."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress

_CHUNK = 65_536
"""Bytes asked for at a time."""


async def read_lines(descriptor: int) -> AsyncGenerator[str, None]:
    """The lines of an open file, without their ends; bytes that are no UTF-8 come as U+FFFD.

    A thread waits for each chunk, since a file cannot be watched by every loop, and a terminal that was made
    non-blocking stays so for the shell. It is a daemon and holds no lock of Python's streams: a
    command that is interrupted does not wait for one more line.
    """
    rest = b""
    while chunk := await _read(descriptor):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield _text(line)
    if rest:
        yield _text(rest)


async def _read(descriptor: int) -> bytes:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()

    def give(chunk: bytes) -> None:
        if not answer.done():
            answer.set_result(chunk)

    def fail(error: OSError) -> None:
        if not answer.done():
            answer.set_exception(error)

    def wait() -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile, so nobody waits for the answer
            try:
                chunk = os.read(descriptor, _CHUNK)
            except OSError as error:
                loop.call_soon_threadsafe(fail, error)
            else:
                loop.call_soon_threadsafe(give, chunk)

    threading.Thread(target=wait, name="read-lines", daemon=True).start()
    return await answer


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode(errors="replace")
