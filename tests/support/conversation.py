"""A chat that is never quiet, so that a stop of the server finds it in the middle of something."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import grpc

from tests.support.wire import DEADLINE, Stub, next_note, note

_PAUSE = 0.01
"""Seconds between two exchanges: a small part of those after which a stream counts as quiet."""


@asynccontextmanager
async def conversation(stub: Stub) -> AsyncGenerator[None, None]:
    """Notes are answered one after the other throughout the block, and at its end the chat ends well."""
    begun, over = asyncio.Event(), asyncio.Event()

    async def converse() -> None:
        chat = stub.RouteChat(timeout=DEADLINE)
        for place in itertools.count():
            await chat.write(note(1, place, "asked"))
            await chat.write(note(1, place, "again"))
            assert (await next_note(chat)).message == "asked"
            begun.set()
            if over.is_set():
                break
            await asyncio.sleep(_PAUSE)
        await chat.done_writing()
        assert await chat.read() is grpc.aio.EOF
        assert await chat.code() is grpc.StatusCode.OK

    async with asyncio.TaskGroup() as group:
        group.create_task(converse())
        await begun.wait()
        yield
        over.set()
