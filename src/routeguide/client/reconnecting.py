"""A conversation that goes on when its call is cut, by a balancer that finds it quiet or a leaving server."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Protocol, Self

import grpc

from routeguide.client.chat import RouteChat
from routeguide.client.errors import RpcFailed
from routeguide.domain.models import RouteNote

PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each attempt to go on; up to half is left out at random, lest all clients come at once."""
STABLE = 10.0
"""Seconds that a call must last for the attempts to be counted from the beginning."""


class Watcher(Protocol):
    """Is told what the person who writes should know."""

    def lost(self, error: RpcFailed) -> None:
        """The call has been cut, and another one is tried. Notes that were sent just before, and not
        replied to, may not have been stored."""

    def resumed(self) -> None:
        """A new call is open. For the server it is somebody else's."""

    def sent_again(self, note: RouteNote) -> None:
        """`note` was on its way when the call was cut, and has been sent again: it may be stored twice."""


class ReconnectingChat:
    """What `RouteChat` is, over as many calls as it takes. Use it in `async with`.

    Only a call that was cut is followed by another (`RpcFailed.interrupted`), and only while there is more to
    say: a server that refuses what it was sent, or that never could be reached, ends it. After as many
    attempts as there are pauses it is given up, with the last failure. Somebody must iterate while notes are
    sent, and ends the conversation if cancelled.
    """

    def __init__(
        self,
        open_call: Callable[[], RouteChat],
        watcher: Watcher,
        *,
        pauses: Sequence[float] = PAUSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_call = open_call
        self._watcher = watcher
        self._all_pauses = pauses
        self._pauses = iter(pauses)
        self._clock = clock
        self._turn = asyncio.Lock()
        """Is held by whoever sends, so that `done` comes after notes that wait for a call."""
        self._all_sent = False
        self._trying: asyncio.Timeout | None = None
        """Around the attempts to open another call, while there are any."""
        self._failure: RpcFailed | None = None
        self._usable = asyncio.Event()
        """Set unless another call is awaited."""
        self._start(open_call())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(_left())
        await self._chat.__aexit__(kind, error, trace)

    async def send(self, note: RouteNote) -> None:
        """Sends one note, on the next call where there is none at the moment.

        Raises:
            RpcFailed: the conversation has ended, or does so before there is another call.
        """
        async with self._turn:
            attempts = 1
            while not await self._is_sent(note):
                attempts += 1
            if attempts > 1:
                self._watcher.sent_again(note)

    async def done(self) -> None:
        """Says that no more notes will be sent; the iteration ends when the last reply has come.

        Where no call is open, none is needed any more: the iteration then fails with what cut the last one.
        """
        async with self._turn:
            self._all_sent = True
            if self._usable.is_set():
                await self._chat.done()
            elif self._trying is not None:
                self._trying.reschedule(asyncio.get_running_loop().time())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RouteNote:
        """The next reply, on whichever call it comes.

        Raises:
            RpcFailed: the call has ended, and there will be no other.
        """
        try:
            return await self._next_reply()
        except StopAsyncIteration:
            raise
        except RpcFailed as failure:
            self._end(failure)
            raise
        except BaseException:  # of whoever cancels, or of the watcher: nobody looks for another call now
            self._end(_left())
            raise

    async def _next_reply(self) -> RouteNote:
        while self._failure is None:
            try:
                reply = await anext(self._chat)
            except RpcFailed as error:
                await self._go_on(error)
            else:
                self._pauses = iter(self._all_pauses)
                return reply
        raise self._failure

    async def _is_sent(self, note: RouteNote) -> bool:
        """Whether it could be sent on the call there is; if not, that was cut."""
        await self._usable.wait()
        if self._failure is not None:
            raise self._failure
        chat = self._chat
        try:
            await chat.send(note)
        except RpcFailed as error:
            if not error.interrupted:
                raise
            if self._chat is chat and self._failure is None:
                self._usable.clear()  # until whoever iterates has noticed as well
            return False
        return True

    async def _go_on(self, error: RpcFailed) -> None:
        """Raises RpcFailed: that cannot be."""
        if self._all_sent or not error.interrupted:
            raise error
        self._usable.clear()
        self._watcher.lost(error)
        await self._use(await self._reopened_if_wanted(error))

    async def _reopened_if_wanted(self, error: RpcFailed) -> RouteChat:
        """Raises `error` as soon as all has been said, and the last failure when no attempt is left."""
        try:
            async with asyncio.timeout(None) as self._trying:
                return await self._reopened(error)
        except TimeoutError:
            raise error from None
        finally:
            self._trying = None

    async def _reopened(self, error: RpcFailed) -> RouteChat:
        if self._clock() - self._since > STABLE:
            self._pauses = iter(self._all_pauses)
        for pause in self._pauses:
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # no secret
            try:
                return await self._opened()
            except RpcFailed as failure:
                error = failure
        raise error

    async def _opened(self) -> RouteChat:
        """A new call that has a connection; one that gets none is not left behind."""
        async with AsyncExitStack() as stack:
            chat = await stack.enter_async_context(self._open_call())
            await chat.connected()
            stack.pop_all()
        return chat

    async def _use(self, chat: RouteChat) -> None:
        self._start(chat)
        self._watcher.resumed()
        if self._all_sent:  # said at the very moment in which the attempt succeeded
            await chat.done()

    def _start(self, chat: RouteChat) -> None:
        self._chat = chat
        self._since = self._clock()
        self._usable.set()

    def _end(self, failure: RpcFailed) -> None:
        """No other call comes; whoever waits for one is told."""
        self._failure = self._failure or failure
        self._usable.set()


def _left() -> RpcFailed:
    return RpcFailed("the conversation was left", grpc.StatusCode.CANCELLED, "")
