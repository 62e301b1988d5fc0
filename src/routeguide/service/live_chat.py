"""A live RouteChat: requests and the notes of others, merged into one stream of replies."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from routeguide.domain.models import RouteNote
from routeguide.storage.base import LiveFeed

Check = Callable[[RouteNote, int], object]
"""Raises where the note, which is the n-th of its stream from 0, is refused."""


async def live_chat(
    notes: AsyncIterator[RouteNote], feed: LiveFeed, check: Check
) -> AsyncGenerator[Sequence[RouteNote], None]:
    """Pages of notes to send, until `notes` has ended and what waits by then is given out.

    One read of `notes` is under way at a time, and is cancelled only when all ends: whoever cancels a read
    may lose what it was about to return. The next begins when the reply to the note before it has been sent,
    so a client that does not read cannot go on writing.
    """
    index = 0
    reading, hearing = asyncio.create_task(_next(notes)), asyncio.create_task(feed.ready())
    try:
        while True:
            await asyncio.wait({reading, hearing}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                yield feed.take()
            elif (note := reading.result()) is None:
                break
            else:
                check(note, index)
                yield await feed.post(note)
                index += 1
                reading = asyncio.create_task(_next(notes))
            if hearing.done():
                hearing = asyncio.create_task(feed.ready())
        yield feed.take()
    finally:
        reading.cancel()
        hearing.cancel()
        await asyncio.gather(reading, hearing, return_exceptions=True)


async def _next(notes: AsyncIterator[RouteNote]) -> RouteNote | None:
    return await anext(notes, None)
