"""A person at a terminal: a pseudo-terminal whose output is waited for."""

import asyncio
import fcntl
import os
import pty
import struct
import termios
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.support.commands import COMMAND, DEADLINE, ended, environment

CTRL_C = "\x03"

_SIZE = struct.pack("HHHH", 24, 120, 0, 0)
"""Rows, columns, and pixels that nobody asks for."""


class Terminal:
    """What a command shows, and the keyboard."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self._master = master
        self._process = process
        self._more = asyncio.Event()
        self._seen = 0
        self.shown = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    async def expect(self, text: str) -> None:
        """Returns when `text` has been shown, after what was expected before."""
        try:
            async with asyncio.timeout(DEADLINE):
                while (found := self.shown.find(text, self._seen)) < 0:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"{text!r} did not come after {self.shown!r}") from None
        self._seen = found + len(text)

    async def exit_code(self) -> int:
        async with asyncio.timeout(DEADLINE):
            return await self._process.wait()

    async def interrupt(self) -> int:
        """Presses Ctrl-C until the command ends, and gives its exit code.

        One that comes while a message is being shown is lost: the prompt has let go of the terminal, and as
        this is no terminal of a session, nobody is sent a signal either.
        """
        ending = asyncio.create_task(self._process.wait())
        async with asyncio.timeout(DEADLINE):
            while not ending.done():
                self.type(CTRL_C)
                await asyncio.wait({ending}, timeout=0.5)
            return await ending

    def read(self) -> None:
        """Called when there is something to read."""
        try:
            chunk = os.read(self._master, 65_536)
        except OSError:  # Linux says so when the other end is closed
            chunk = b""
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._master)
        self.shown += chunk.decode(errors="replace")
        self._more.set()


@asynccontextmanager
async def terminal(*args: str) -> AsyncGenerator[Terminal, None]:
    """`routeguide` with `args`, at a terminal of its own."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, _SIZE)
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *args, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env=environment({"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}),
    )  # fmt: skip
    os.close(slave)
    screen = Terminal(master, process)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, screen.read)
    try:
        yield screen
    finally:
        loop.remove_reader(master)
        await ended(process)
        os.close(master)
