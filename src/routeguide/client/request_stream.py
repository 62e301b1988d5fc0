"""The client's end of a call that streams requests.

A server that refuses such a call ends it while the client is still writing. The write under way then
fails, and grpc.aio puts INTERNAL in the place of the call's status: over the server's where that came
first, or until it comes (grpc/grpc#36066; a mend is proposed in #43486). Measured with 1.85 under a client
that writes without pause: INTERNAL instead of every single INVALID_ARGUMENT. So the first status is kept
here, and where it may be made up, the server's is waited for.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Protocol

import grpc

from routeguide.client.errors import RpcFailed, is_made_here

_PATIENCE = 1.0
"""Seconds that the server's own status may take to come after a failed write; it is on its way by then."""
_PAUSE = 0.001
"""Seconds between looks, for nothing tells when the status is replaced."""

StreamingCall = grpc.aio.StreamUnaryCall[Any, Any] | grpc.aio.StreamStreamCall[Any, Any]


class Describe(Protocol):
    """Puts an error in words; these depend on whether the call was connected before."""

    def __call__(self, error: grpc.aio.AioRpcError, /, *, connected: bool) -> Awaitable[RpcFailed]: ...


class RequestStream:
    """Writes to `call`, and knows how it ended. One task at a time may write."""

    def __init__(self, call: StreamingCall, describe: Describe) -> None:
        self._call = call
        self._describe = describe
        self._first: grpc.aio.AioRpcError | None = None
        self._was_connected = False
        call.add_done_callback(self._keep_first)

    async def connected(self) -> None:
        """Returns once the call has had a connection, which is remembered.

        Raises:
            RpcFailed: there is none to be had, or the call has ended before.
        """
        if self._was_connected:
            return
        try:
            await self._call.wait_for_connection()
        except grpc.aio.AioRpcError:
            raise await self.failure() from None
        self._was_connected = True

    async def write(self, message: Any) -> None:
        """Raises RpcFailed: the call has ended."""
        if not self._call.done():
            await self.connected()
        try:
            await self._call.write(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            raise await self.failure() from None

    async def close(self) -> None:
        """Says that there are no more requests. Where the call has ended, reading from it tells how."""
        with suppress(grpc.aio.InternalError):
            await self._call.done_writing()

    async def failure(self) -> RpcFailed:
        """What ended the call. Ask only once it has ended."""
        status = self._first or await _status(self._call)
        for _ in range(round(_PATIENCE / _PAUSE)):
            if not is_made_here(status):
                break
            await asyncio.sleep(_PAUSE)
            status = await _status(self._call)
        return await self._describe(status, connected=self._was_connected)

    def _keep_first(self, call: Any) -> None:
        """Called at the moment the call gets its first status, when to read it cannot suspend."""
        reading = _status(call)
        try:
            reading.send(None)
        except StopIteration as finished:
            self._first = finished.value
        finally:
            reading.close()


async def _status(call: StreamingCall) -> grpc.aio.AioRpcError:
    initial, trailing = await call.initial_metadata(), await call.trailing_metadata()
    return grpc.aio.AioRpcError(await call.code(), initial, trailing, await call.details())
