"""What tests ask of live feeds."""

import asyncio
from collections.abc import Sequence

from routeguide.domain.models import RouteNote
from routeguide.storage.base import LiveFeed
from tests.support.wire import DEADLINE


def texts(notes: Sequence[RouteNote]) -> list[str]:
    return [each.message for each in notes]


async def given(feed: LiveFeed, number: int) -> list[str]:
    """The next notes that are given out, as many as there should be."""
    messages: list[str] = []
    async with asyncio.timeout(DEADLINE):
        while len(messages) < number:
            await feed.ready()
            messages += texts(feed.take())
    return messages
