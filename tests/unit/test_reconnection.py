"""What the chat that outlives its calls makes of calls that go as no server can be made to, and of time."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Self, cast

import grpc
import pytest

from routeguide.client import ReconnectingChat, RouteChat, RpcFailed
from routeguide.client.reconnecting import STABLE
from routeguide.domain.models import Point, RouteNote
from tests.support.wire import DEADLINE

HERE = Point(1, 2)
CUT = RpcFailed("cut", grpc.StatusCode.UNAVAILABLE, "", interrupted=True)
AT_ONCE = (0.0, 0.0)
IN_AN_HOUR = (3600.0,)


class Call:
    """Gives its replies and is cut then, unless it is to last until it is done. Tells what it is told."""

    def __init__(
        self,
        told: list[str],
        *replies: str,
        lasts: bool = False,
        connecting: Callable[[], Awaitable[object]] | None = None,
        cut_by_note: bool = False,
    ) -> None:
        self.left = False
        self._told = told
        self._replies = iter(replies)
        self._lasts = lasts
        self._connecting = connecting
        self._cut_by_note = cut_by_note
        self._is_over = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.left = True

    async def connected(self) -> None:
        if self._connecting is not None:
            await self._connecting()

    async def send(self, note: RouteNote) -> None:
        if self._cut_by_note:
            self._is_over.set()
            raise CUT
        self._told.append(f"note: {note.message}")

    async def done(self) -> None:
        self._told.append("done")
        self._is_over.set()

    async def __anext__(self) -> RouteNote:
        for reply in self._replies:
            return RouteNote(HERE, reply)
        if self._lasts or self._cut_by_note:
            await self._is_over.wait()
        if self._lasts:
            raise StopAsyncIteration
        raise CUT


class Scripted:
    """A conversation over given calls, and everything that is told, in its order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.loss = asyncio.Event()

    def lost(self, error: RpcFailed) -> None:
        self.told.append("lost")
        self.loss.set()

    def resumed(self) -> None:
        self.told.append("resumed")

    def sent_again(self, note: RouteNote) -> None:
        self.told.append(f"sent again: {note.message}")

    def call(self, *replies: str, **how: Any) -> Call:
        return Call(self.told, *replies, **how)

    def chat(
        self, calls: Iterator[Call], pauses: tuple[float, ...] = AT_ONCE, **how: Any
    ) -> ReconnectingChat:
        return ReconnectingChat(lambda: cast("RouteChat", next(calls)), self, pauses=pauses, **how)


@pytest.fixture
async def scripted() -> Scripted:
    return Scripted()


async def read(chat: ReconnectingChat) -> list[str]:
    async with asyncio.timeout(DEADLINE):
        return [note.message async for note in chat]


async def test_attempts_come_to_an_end(scripted: Scripted) -> None:
    async with scripted.chat(iter([scripted.call() for _ in range(9)])) as chat:
        with pytest.raises(RpcFailed, match="cut"):
            await read(chat)

    assert scripted.told == ["lost", "resumed"] * 2 + ["lost"]


async def test_attempts_are_counted_anew_after_a_reply(scripted: Scripted) -> None:
    calls = [scripted.call(str(number)) for number in range(6)]
    async with scripted.chat(iter(calls)) as chat:
        replies = [(await anext(chat)).message for _ in calls]

    assert replies == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize(("lasted", "attempts"), [(STABLE, 2), (STABLE + 1, 6)])
async def test_attempts_are_counted_anew_after_a_call_that_lasted(
    scripted: Scripted, lasted: float, attempts: int
) -> None:
    """However quiet it was."""
    readings = itertools.count(0.0, lasted)  # at the start of a call, and when it is cut
    calls = [scripted.call() for _ in range(6)] + [scripted.call("at last")]
    async with scripted.chat(iter(calls), clock=lambda: next(readings)) as chat:
        with suppress(RpcFailed):
            await anext(chat)

    assert scripted.told.count("resumed") == attempts


async def test_a_note_is_told_to_be_sent_again_once_it_is(scripted: Scripted) -> None:
    calls = [scripted.call(cut_by_note=True), scripted.call(cut_by_note=True), scripted.call(lasts=True)]
    async with scripted.chat(iter(calls)) as chat, asyncio.timeout(DEADLINE):
        reading = asyncio.create_task(read(chat))
        await chat.send(RouteNote(HERE, "a"))
        await chat.done()
        await reading

    assert scripted.told == ["lost", "resumed"] * 2 + ["note: a", "sent again: a", "done"]


async def test_nobody_waits_for_another_call_when_all_has_been_said(scripted: Scripted) -> None:
    async with scripted.chat(iter([scripted.call()]), IN_AN_HOUR) as chat:
        reading = asyncio.create_task(read(chat))
        await scripted.loss.wait()
        await chat.done()
        with pytest.raises(RpcFailed, match="cut"):
            await reading


async def test_a_call_under_way_is_not_left_behind_when_all_has_been_said(scripted: Scripted) -> None:
    reached = asyncio.Event()

    async def endless() -> None:
        reached.set()
        await asyncio.Event().wait()

    second = scripted.call(connecting=endless)
    async with scripted.chat(iter([scripted.call(), second])) as chat:
        reading = asyncio.create_task(read(chat))
        await reached.wait()
        await chat.done()
        with pytest.raises(RpcFailed, match="cut"):
            await reading
        assert second.left


async def test_the_end_comes_after_a_note_that_waits_for_a_call(scripted: Scripted) -> None:
    reachable = asyncio.Event()
    calls = [scripted.call(), scripted.call(lasts=True, connecting=reachable.wait)]
    async with scripted.chat(iter(calls)) as chat, asyncio.timeout(DEADLINE):
        reading = asyncio.create_task(read(chat))
        await scripted.loss.wait()
        sending = asyncio.create_task(chat.send(RouteNote(HERE, "a")))
        await asyncio.sleep(0)  # it waits now
        ending = asyncio.create_task(chat.done())
        await asyncio.sleep(0)
        reachable.set()
        await asyncio.gather(sending, ending, reading)

    assert scripted.told == ["lost", "resumed", "note: a", "done"]


async def test_the_end_said_when_a_call_has_just_been_had_is_passed_on(scripted: Scripted) -> None:
    async def say_the_end() -> None:
        await chat.done()

    calls = [scripted.call(), scripted.call(lasts=True, connecting=say_the_end)]
    async with scripted.chat(iter(calls)) as chat:
        assert await read(chat) == []

    assert scripted.told == ["lost", "resumed", "done"]


async def test_whoever_sends_is_told_when_nobody_reads_any_more(scripted: Scripted) -> None:
    """Cancelled while it tries a call, which is not left behind."""
    reached = asyncio.Event()

    async def endless() -> None:
        reached.set()
        await asyncio.Event().wait()

    second = scripted.call(connecting=endless)
    async with scripted.chat(iter([scripted.call(), second])) as chat, asyncio.timeout(DEADLINE):
        reading = asyncio.create_task(read(chat))
        await reached.wait()
        sending = asyncio.create_task(chat.send(RouteNote(HERE, "a")))
        reading.cancel()
        with pytest.raises(RpcFailed, match="was left"):
            await sending
        with pytest.raises(RpcFailed, match="was left"):
            await anext(chat)

    assert second.left


async def test_whoever_sends_is_told_when_the_conversation_is_left(scripted: Scripted) -> None:
    async with asyncio.timeout(DEADLINE):
        async with scripted.chat(iter([scripted.call(cut_by_note=True)])) as chat:
            sending = asyncio.create_task(chat.send(RouteNote(HERE, "a")))  # and nobody reads
            await asyncio.sleep(0)
        with pytest.raises(RpcFailed, match="was left"):
            await sending
