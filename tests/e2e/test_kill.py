"""Answered means stored: what a server has answered is there after kill −9."""

import asyncio
import signal
import sqlite3
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

import grpc
import pytest

from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.conftest import CHANNEL_OPTIONS
from tests.support.server_process import ServerProcess, server_process
from tests.support.wire import DEADLINE, Stub, next_note, note

ROUNDS = 20
STREAMS = 50
ANSWERS_BEFORE_THE_KILL = 300


async def write_until_killed(stub: Stub, writer: int, answered: set[str], enough: asyncio.Event) -> None:
    """Writes notes until the connection breaks, and remembers each one that was answered.

    Each goes to a place of its own and is followed by a second one there, which is answered with the first:
    so every round trip proves that the first was stored before.
    """
    chat = stub.RouteChat(timeout=DEADLINE)
    # A write to a call that ended a moment ago is an InvalidStateError in grpc.aio, not the call's own error.
    with suppress(grpc.aio.AioRpcError, asyncio.CancelledError, asyncio.InvalidStateError):
        for number in count():
            name = f"{writer}/{number}"
            await chat.write(note(writer, number, name))
            await chat.write(note(writer, number, f"{name} again"))
            assert (await next_note(chat)).message == name
            answered.add(name)
            if len(answered) >= ANSWERS_BEFORE_THE_KILL:
                enough.set()


async def one_round(server: ServerProcess, first_writer: int) -> set[str]:
    """What was answered by the time that the server was killed, in the middle of everything."""
    answered: set[str] = set()
    enough = asyncio.Event()
    async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
        stub: Stub = RouteGuideStub(channel)
        writers = [
            asyncio.create_task(write_until_killed(stub, writer, answered, enough))
            for writer in range(first_writer, first_writer + STREAMS)
        ]
        async with asyncio.timeout(DEADLINE):
            await enough.wait()
        assert await server.stop(signal.SIGKILL) == -signal.SIGKILL
        await asyncio.gather(*writers)
    return answered


@pytest.mark.timeout(300)
async def test_every_answered_note_survives_kill_9(tmp_path: Path) -> None:
    database = tmp_path / "routeguide.db"
    answered: set[str] = set()
    for number in range(ROUNDS):
        async with server_process(storage_url=f"sqlite:///{database}", seed_features="none") as server:
            answered |= await one_round(server, number * STREAMS)
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            stored = {message for (message,) in connection.execute("SELECT message FROM note")}
        assert answered <= stored, answered - stored
    assert len(answered) >= ROUNDS * ANSWERS_BEFORE_THE_KILL
