"""Streams that fail while their client is still sending."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress

_PAUSE = 0.2
"""Seconds of silence after which a failed stream is no longer read."""

_LONGEST_HEARING = 5.0
"""Seconds after which it is no longer read even though it still talks."""


class UnbrokenRequests(AsyncIterator[bytes]):
    """Requests of which none is lost when a read is cancelled: the next read goes on waiting for it.

    grpc loses the request that a cancelled read has waited for, and tells a read made before it came that
    there are no more. One who reads and does something else at a time, and then fails, would leave nothing to
    hear out. It costs a task for each request.
    """

    def __init__(self, requests: AsyncIterator[bytes]) -> None:
        self._requests = requests
        self._reading: asyncio.Future[bytes] | None = None

    async def __anext__(self) -> bytes:
        if self._reading is None:
            self._reading = asyncio.ensure_future(anext(self._requests))
        request = await asyncio.shield(self._reading)
        self._reading = None
        return request

    async def close(self) -> None:
        """Cancels the read that is under way, if one is; idempotent."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)


@asynccontextmanager
async def heard_out(requests: AsyncIterator[bytes]) -> AsyncGenerator[UnbrokenRequests, None]:
    """Lets a client whose stream fails finish what it is sending, while it does so without a pause.

    grpc.aio's own client reports INTERNAL instead of the status when the call ends under one of its writes
    (grpc/grpc#36066). Whoever may fail while a read is under way has to read what this gives, others may read
    `requests`.
    """
    unbroken = UnbrokenRequests(requests)
    try:
        yield unbroken
    except Exception:
        with suppress(TimeoutError):
            await _hear_out(unbroken)
        raise
    finally:
        await unbroken.close()


async def _hear_out(requests: AsyncIterator[bytes]) -> None:
    now = asyncio.get_running_loop().time
    end = now() + _LONGEST_HEARING
    async with asyncio.timeout(_PAUSE) as patience:
        async for _ in requests:
            patience.reschedule(min(now() + _PAUSE, end))
