"""The client's chat that outlives its calls: what it does with notes, and what it tells."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from routeguide.client import ClientTls, ReconnectingChat, RouteChat, RouteGuideClient, RpcFailed
from routeguide.domain.models import Point, RouteNote
from routeguide.server.app import RunningServer, serving
from routeguide.settings import Settings
from tests.conftest import StartServer
from tests.support.certificates import Certificates
from tests.support.tcp_proxy import tcp_proxy
from tests.support.wire import DEADLINE

HERE = Point(1, 2)
NOT_ACCEPTED = "lost: CANCELLED"
"""What a server that stops answers to a call that has come too late to be accepted."""
AT_ONCE = (0.0,) * 4
PATIENT = (0.0,) + (0.2,) * 60
"""Pauses until a server is back, on a busy machine."""


class Told:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.losses: list[RpcFailed] = []
        self.loss = asyncio.Event()
        self.resumption = asyncio.Event()

    def lost(self, error: RpcFailed) -> None:
        self.losses.append(error)
        self.events.append(f"lost: {error.code.name}")
        self.loss.set()

    def resumed(self) -> None:
        self.events.append("resumed")
        self.resumption.set()

    def sent_again(self, note: RouteNote) -> None:
        self.events.append(f"sent again: {note.message}")


def replies_of(chat: ReconnectingChat) -> asyncio.Task[list[str]]:
    async def read() -> list[str]:
        return [note.message async for note in chat]

    return asyncio.create_task(read())


async def started(stack: AsyncExitStack, **settings: Any) -> RunningServer:
    chosen: dict[str, Any] = {"listen": "127.0.0.1:0", "storage_url": "memory://", "stop_grace": 0} | settings
    return await stack.enter_async_context(serving(Settings(**chosen)))


async def test_a_stream_that_the_server_finds_quiet_is_followed_by_another(start_server: StartServer) -> None:
    server = await start_server(stream_idle_timeout=2)
    told = Told()
    async with (
        asyncio.timeout(DEADLINE),
        RouteGuideClient(server.address) as client,
        ReconnectingChat(client.chat, told) as chat,
    ):
        replies = replies_of(chat)
        await chat.send(RouteNote(HERE, "first"))
        await told.resumption.wait()
        await chat.send(RouteNote(HERE, "second"))
        await chat.done()
        assert (await replies)[0] == "first"

    assert told.events[:2] == ["lost: UNAVAILABLE", "resumed"]


async def test_a_note_that_nobody_could_take_is_sent_when_a_server_is_back() -> None:
    told = Told()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(2 * DEADLINE))
        first = await stack.enter_async_context(AsyncExitStack())
        server = await started(first)
        client = await stack.enter_async_context(RouteGuideClient(server.address))
        chat = await stack.enter_async_context(ReconnectingChat(client.chat, told, pauses=PATIENT))
        replies = replies_of(chat)
        await chat.send(RouteNote(HERE, "kept nowhere"))
        await first.aclose()
        await told.loss.wait()  # a note sent before that may be gone
        sending = asyncio.create_task(chat.send(RouteNote(HERE, "kept")))
        await started(stack, listen=server.address)
        await sending
        await chat.send(RouteNote(HERE, "last"))
        await chat.done()
        assert await replies == ["kept"]

    assert told.events in (["lost: UNAVAILABLE", "resumed"], [NOT_ACCEPTED, "resumed"])


async def test_what_others_meet_meanwhile_does_not_tell_whether_this_call_was_cut(
    start_server: StartServer, tmp_path: Path
) -> None:
    """Something between them that hangs up looks, to whoever tries a handshake, like one without TLS."""
    made, told = Certificates(tmp_path), Told()
    server = await start_server(**made.server_settings())
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(2 * DEADLINE))
        proxy = await stack.enter_async_context(tcp_proxy(server.port))
        tls = ClientTls(ca_file=str(made.ca_file))
        client = await stack.enter_async_context(RouteGuideClient(f"localhost:{proxy.port}", tls=tls))
        chat = await stack.enter_async_context(ReconnectingChat(client.chat, told, pauses=PATIENT))
        replies = replies_of(chat)
        await chat.send(RouteNote(HERE, "before"))
        proxy.target = None
        await proxy.cut()
        await told.loss.wait()
        proxy.target = server.port
        await told.resumption.wait()
        await chat.done()
        await replies

    assert told.events == ["lost: UNAVAILABLE", "resumed"]
    assert str(told.losses[0]).startswith(f"lost the connection to localhost:{proxy.port}")


class CutWhileSending:
    """A call that is cut in the middle of the first note, as no server can be made to do reliably."""

    def __init__(self) -> None:
        self._cut = asyncio.Event()

    async def send(self, note: RouteNote) -> None:
        self._cut.set()
        raise self._failure()

    async def __anext__(self) -> RouteNote:
        await self._cut.wait()
        raise self._failure()

    def _failure(self) -> RpcFailed:
        return RpcFailed("cut", grpc.StatusCode.UNAVAILABLE, "", interrupted=True)


async def test_a_note_that_was_under_way_is_sent_again_and_that_is_told(start_server: StartServer) -> None:
    server = await start_server()
    told = Told()
    async with asyncio.timeout(DEADLINE), RouteGuideClient(server.address) as client:
        calls = iter([cast("RouteChat", CutWhileSending()), client.chat()])
        async with ReconnectingChat(lambda: next(calls), told) as chat:
            replies = replies_of(chat)
            await chat.send(RouteNote(HERE, "first"))
            await chat.send(RouteNote(HERE, "second"))
            await chat.done()
            assert await replies == ["first"]

    assert told.events == ["lost: UNAVAILABLE", "resumed", "sent again: first"]


async def test_it_is_given_up_with_the_last_failure() -> None:
    told = Told()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(2 * DEADLINE))
        first = await stack.enter_async_context(AsyncExitStack())
        server = await started(first)
        client = await stack.enter_async_context(RouteGuideClient(server.address))
        chat = await stack.enter_async_context(ReconnectingChat(client.chat, told, pauses=AT_ONCE))
        replies = replies_of(chat)
        await chat.send(RouteNote(HERE, "kept nowhere"))
        await first.aclose()
        with pytest.raises(RpcFailed, match="cannot connect"):
            await replies
        with pytest.raises(RpcFailed, match="cannot connect"):
            await chat.send(RouteNote(HERE, "too late"))

    assert told.events in (["lost: UNAVAILABLE"], [NOT_ACCEPTED])


async def test_a_refusal_ends_it(start_server: StartServer) -> None:
    server = await start_server(max_note_bytes=3)
    told = Told()
    async with RouteGuideClient(server.address) as client, ReconnectingChat(client.chat, told) as chat:
        replies = replies_of(chat)
        await chat.send(RouteNote(HERE, "long"))
        with pytest.raises(RpcFailed) as raised:
            await replies

    assert (raised.value.code, raised.value.interrupted) == (grpc.StatusCode.INVALID_ARGUMENT, False)
    assert told.events == []


async def test_a_server_that_never_could_be_reached_ends_it() -> None:
    told = Told()
    async with (
        RouteGuideClient("127.0.0.1:1") as client,
        ReconnectingChat(client.chat, told) as chat,
    ):
        with pytest.raises(RpcFailed, match="cannot connect"):
            await replies_of(chat)

    assert told.events == []
