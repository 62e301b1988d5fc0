"""Since when a call waits for its client: what a stopping server tells quiet streams by."""

import asyncio
from typing import Any, cast

import pytest

from routeguide.server.call import Call, Context, Method, Shape


async def _behave(_: Call) -> None:
    """Is never called here."""


class Client:
    """Sends a request, or takes a response, only when the test says so."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[bytes] = asyncio.Queue()
        self.room = asyncio.Event()

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def peer(self) -> str:
        return "a test"

    async def write(self, _: bytes) -> None:
        await self.room.wait()

    async def read(self) -> bytes:
        return await self.requests.get()


async def turns() -> None:
    """Lets every task that can do something do it."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def client() -> Client:
    return Client()


@pytest.fixture
async def call(client: Client) -> Call:
    method = Method("service", "Method", _behave, Shape.STREAM)
    return Call(method, cast("Context", cast("Any", client)))


async def test_a_live_stream_waits_since_its_client_was_heard_of(call: Call, client: Client) -> None:
    reading = asyncio.ensure_future(anext(call))
    await turns()
    since = call.waiting_since
    client.room.set()
    await call.write(b"")
    assert since is not None
    assert call.waiting_since == since

    client.room.clear()
    writing = asyncio.ensure_future(call.write(b""))
    await turns()
    client.requests.put_nowait(b"")
    await reading
    assert call.waiting_since is not None
    assert call.waiting_since > since  # it has just been heard of, and does not read
    client.room.set()
    await writing
    assert call.waiting_since is None
