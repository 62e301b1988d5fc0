"""A chat that is never quiet, so that a stop of the server finds it in the middle of something."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import grpc

from routeguide.pb import route_guide_pb2 as pb
from tests.support.wire import DEADLINE, Stub, next_note, note

Chat = grpc.aio.StreamStreamCall[pb.RouteNote, pb.RouteNote]

_PAUSE = 0.01
"""Seconds between two exchanges: a small part of those after which a stream counts as quiet."""

_QUIET = 0.9
"""Seconds: where a machine holds a process up for so long, the server may find that nothing was said."""


@asynccontextmanager
async def conversation(stub: Stub) -> AsyncGenerator[None, None]:
    """Notes are answered one after the other throughout the block, and at its end the chat ends well."""
    begun, over = asyncio.Event(), asyncio.Event()
    now = asyncio.get_running_loop().time

    async def converse() -> None:
        chat = stub.RouteChat(timeout=DEADLINE)
        answered = asked = now()
        for place in itertools.count():
            try:
                await _exchange(chat, place)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):  # the latter where it is about to write
                if now() - answered > _QUIET:
                    return
                raise
            answered, asked = asked, now()
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


async def _exchange(chat: Chat, place: int) -> None:
    await chat.write(note(1, place, "asked"))
    await chat.write(note(1, place, "again"))
    assert (await next_note(chat)).message == "asked"
