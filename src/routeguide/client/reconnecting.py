"""A conversation that goes on when its call is cut, by a balancer that finds it quiet or a leaving server."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from routeguide.client.chat import RouteChat
from routeguide.client.errors import RpcFailed
from routeguide.domain.models import RouteNote

PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each attempt to go on; up to half is left out at random, lest all clients come at once."""
_STABLE = 10.0
"""Seconds that a call must last for the attempts to be counted from the beginning."""


class Watcher(Protocol):
    """Is told what the person who writes should know."""

    def lost(self, error: RpcFailed) -> None:
        """The call has been cut, and another one is tried. Notes that were sent just before, and not
        replied to, may not have been stored."""

    def resumed(self) -> None:
        """A new call is open. For the server it is somebody else's."""

    def sent_again(self, note: RouteNote) -> None:
        """`note` was on its way when the call was cut, and is sent once more: it may be stored twice."""


class ReconnectingChat:
    """What `RouteChat` is, over as many calls as it takes. Use it in `async with`.

    Only a call that was cut is followed by another (`RpcFailed.interrupted`), and only while there may be
    more to say: a server that refuses what it was sent, or that never could be reached, ends it. After as
    many attempts as there are pauses it is given up, with the last failure. Somebody must iterate while notes
    are sent.
    """

    def __init__(
        self, open_call: Callable[[], RouteChat], watcher: Watcher, *, pauses: Sequence[float] = PAUSES
    ) -> None:
        self._open_call = open_call
        self._watcher = watcher
        self._all_pauses = pauses
        self._pauses = iter(pauses)
        self._all_sent = False
        self._failure: RpcFailed | None = None
        self._usable = asyncio.Event()
        """Set unless another call is being tried."""
        self._start(open_call())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._chat.__aexit__(kind, error, trace)

    async def connected(self) -> None:
        """As `RouteChat.connected`, of the call there is at the moment."""
        await self._chat.connected()

    async def send(self, note: RouteNote) -> None:
        """Sends one note, on the next call where there is none at the moment.

        Raises:
            RpcFailed: the call has ended, and there will be no other.
        """
        while True:
            chat = await self._current()
            try:
                return await chat.send(note)
            except RpcFailed as error:
                if not error.interrupted:
                    raise
            if self._chat is chat and self._failure is None:
                self._usable.clear()  # until whoever iterates has noticed as well
            await self._current()
            self._watcher.sent_again(note)

    async def done(self) -> None:
        """Says that no more notes will be sent; the iteration ends when the last reply has come."""
        self._all_sent = True
        if self._usable.is_set():
            await self._chat.done()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RouteNote:
        """The next reply, on whichever call it comes.

        Raises:
            RpcFailed: the call has ended, and there will be no other.
        """
        while True:
            try:
                reply = await anext(self._chat)
            except RpcFailed as error:
                await self._go_on(error)
            else:
                self._pauses = iter(self._all_pauses)
                return reply

    async def _current(self) -> RouteChat:
        await self._usable.wait()
        if self._failure is not None:
            raise self._failure
        return self._chat

    async def _go_on(self, error: RpcFailed) -> None:
        """Raises RpcFailed: that cannot be."""
        try:
            if self._all_sent or not error.interrupted:
                raise error
            self._usable.clear()
            self._watcher.lost(error)
            chat = await self._reopened(error)
        except RpcFailed as failure:
            self._failure = failure
            self._usable.set()
            raise
        self._watcher.resumed()
        await self._use(chat)

    async def _reopened(self, error: RpcFailed) -> RouteChat:
        if time.monotonic() - self._since > _STABLE:
            self._pauses = iter(self._all_pauses)
        for pause in self._pauses:
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # no secret
            chat = self._open_call()
            try:
                await chat.connected()
            except RpcFailed as failure:
                error = failure
            else:
                return chat
        raise error

    async def _use(self, chat: RouteChat) -> None:
        self._start(chat)
        if self._all_sent:  # `done` was called meanwhile
            await chat.done()

    def _start(self, chat: RouteChat) -> None:
        self._chat = chat
        self._since = time.monotonic()
        self._usable.set()
