"""One conversation: notes go out, and the notes that were there before them come back."""

import asyncio
from collections.abc import AsyncIterable
from types import TracebackType
from typing import Any, Self

import grpc

from routeguide.client.request_stream import Describe, RequestStream
from routeguide.conversion import note_from_pb, note_to_pb
from routeguide.domain.models import RouteNote


class RouteChat:
    """An open RouteChat call; `RouteGuideClient.chat` makes one. Use it in `async with`, which ends it.

    Any number of tasks may send; one iterates over the replies, and must, for a server whose replies nobody
    reads stops reading notes. The replies to a note come before those to the next. A note is stored for
    good once a reply to it, or the end of the iteration, has come.
    """

    def __init__(
        self,
        call: grpc.aio.StreamStreamCall[Any, Any],
        describe: Describe,
    ) -> None:
        self._call = call
        self._notes = RequestStream(call, describe)
        self._turn = asyncio.Lock()
        self._all_sent = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call.cancel()

    async def connected(self) -> None:
        """Returns once the call has had a connection; the server may still refuse it.

        Raises:
            RpcFailed: there is none to be had, or the call has ended.
        """
        await self._notes.connected()

    async def send(self, note: RouteNote) -> None:
        """Sends one note; returns when it is on its way.

        Raises:
            RpcFailed: the call has ended.
        """
        async with self._turn:
            await self._notes.write(note_to_pb(note))

    async def done(self) -> None:
        """Says that no more notes will be sent; the iteration ends when the last reply has come."""
        async with self._turn:
            self._all_sent = True
            await self._notes.close()

    async def send_all(self, notes: AsyncIterable[RouteNote]) -> None:
        """Sends every note, and says that there are no more.

        An exception of `notes` ends the call, so that whoever iterates does not wait for ever.
        """
        try:
            async for note in notes:
                await self.send(note)
            await self.done()
        except BaseException:
            self._call.cancel()
            raise

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RouteNote:
        """The next reply, until the server has answered every note.

        Raises:
            RpcFailed: the call failed, or the server ended it before `done`.
        """
        message = await self._read()
        if message is not grpc.aio.EOF:
            return note_from_pb(message)
        if not self._all_sent:
            raise await self._notes.failure()
        raise StopAsyncIteration

    async def _read(self) -> Any:
        await self._notes.connected()
        try:
            return await self._call.read()
        except grpc.aio.AioRpcError:
            raise await self._notes.failure() from None
