"""Conversations in which nothing is said any more, and how they end."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import grpc

from tests.support.wire import Stub, next_note, note, reason

LONG = 120.0
"""Seconds; no test with a quiet chat takes so long."""


class QuietChats:
    """Some open calls, each answered once, and so with headers on their way."""

    def __init__(self) -> None:
        self.ended: Counter[str] = Counter()
        """How they ended: the status, and where the server gave it, its reason."""
        self._waiting: list[asyncio.Task[None]] = []

    @property
    def still_open(self) -> int:
        return sum(not task.done() for task in self._waiting)

    async def begin(self, stub: Stub, count: int) -> None:
        for i in range(count):
            chat = stub.RouteChat(timeout=LONG)
            await chat.write(note(i, 1, "a"))
            await chat.write(note(i, 1, "b"))
            await next_note(chat)
            self._waiting.append(asyncio.create_task(self._wait(chat)))

    async def all_ended(self) -> None:
        """Waits for it, as long as the caller lets it."""
        await asyncio.gather(*self._waiting)

    async def _wait(self, chat: grpc.aio.StreamStreamCall) -> None:  # type: ignore[type-arg]  # any messages
        try:
            while await chat.read() is not grpc.aio.EOF:
                pass
        except grpc.aio.AioRpcError as error:
            self.ended[f"{error.code().name} {reason(error)}".strip()] += 1

    async def close(self) -> None:
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)


@asynccontextmanager
async def quiet_chats() -> AsyncGenerator[QuietChats, None]:
    chats = QuietChats()
    try:
        yield chats
    finally:
        await chats.close()
