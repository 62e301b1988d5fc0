"""Streams through the balancer: a quiet one is cut, and the project's client goes on. About 20 seconds."""

import asyncio
import time
from pathlib import Path

import grpc
import pytest

from tests.support.alb import alb, target, task
from tests.support.terminal import terminal
from tests.support.wire import DEADLINE, failure, next_note, note

pytestmark = pytest.mark.timeout(180)

IDLE = 4.0
"""Seconds instead of 60: long enough for a busy machine to send a message in time."""


async def test_a_quiet_chat_is_cut_and_one_with_messages_is_not(tmp_path: Path) -> None:
    """Where the target has answered already, the stream is reset; where it has not, the balancer answers."""
    async with (
        task() as server,
        alb(tmp_path, target(server), idle_timeout=IDLE) as balancer,
        balancer.stub() as stub,
    ):
        answered, unanswered, talking = [stub.RouteChat(timeout=5 * DEADLINE) for _ in range(3)]
        began = time.monotonic()
        await unanswered.write(note(1, 1, "alone here"))
        for message in ("a", "b"):
            await answered.write(note(2, 2, message))
        await next_note(answered)
        cut = asyncio.gather(failure(answered.read()), failure(unanswered.read()))
        while not cut.done() or time.monotonic() - began < 1.5 * IDLE:
            await talking.write(note(3, 3, "still here"))
            await asyncio.sleep(IDLE / 20)
        reset, timed_out = await cut

        assert (reset.code(), timed_out.code()) == (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)
        assert time.monotonic() - began >= IDLE
        assert not talking.done()
        talking.cancel()


async def test_a_person_is_told_of_the_cut_and_goes_on(tmp_path: Path) -> None:
    async with task() as server, alb(tmp_path, target(server), idle_timeout=IDLE) as balancer:
        flags = ("--target", balancer.address, "--ca-file", str(balancer.ca_file))
        async with terminal("chat", "--at", "0,0", *flags) as screen:
            await screen.expect(">")
            screen.type("hello\r")
            await screen.expect("The connection was lost")
            await screen.expect("may not have been kept. Reconnecting.")
            await screen.expect("Connected again.")
            screen.type("anyone?\r")
            await screen.expect("0.0000000,0.0000000  hello")
            await screen.expect("cut on its way")  # quiet once more, this time after a reply
            await screen.expect("Connected again.")
            screen.type("/quit\r")
            assert await screen.exit_code() == 0
