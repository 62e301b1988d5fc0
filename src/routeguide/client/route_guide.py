"""The four RPCs."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

import grpc

from routeguide.client.chat import RouteChat
from routeguide.client.connection import Connection
from routeguide.client.request_stream import RequestStream
from routeguide.client.tls import ClientTls
from routeguide.conversion import (
    feature_from_pb,
    point_to_pb,
    rectangle_to_pb,
    summary_from_pb,
)
from routeguide.domain.models import Feature, Point, Rectangle, RouteNote, RouteSummary
from routeguide.pb import route_guide_pb2 as pb
from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub

_Item = TypeVar("_Item")

_Metadata = tuple[tuple[str, str], ...]
_LIVE: _Metadata = (("routeguide-live", "true"),)


class RouteGuideClient:
    """A client of one server. Use it in `async with`, on one event loop; calls may be made concurrently.

    Every method raises `RpcFailed` when its call does not end with OK. GetFeature and ListFeatures are
    retried a few times, within a second or two, while the server is UNAVAILABLE; the others are not, since
    they may have had their effect.
    """

    def __init__(
        self,
        target: str,
        *,
        tls: ClientTls | None = None,
        token: str | None = None,
        deadline: float = 10.0,
    ) -> None:
        """
        Args:
            target: HOST:PORT, or another name that gRPC resolves.
            tls: whom to trust, and who one is; without it the connection is in plain text.
            token: the bearer token that every call shows; without `tls` anybody on the way can read it.
            deadline: seconds that a GetFeature may take, retries included. Streams last as long as their
                callers feed or read them, so each has a deadline of its own, and none unless it is given.

        Raises:
            SettingsError: a file that `tls` names cannot be used.
        """
        self._connection = Connection(target, tls)
        self._stub = RouteGuideStub(self._connection.channel)
        self._deadline = deadline
        self._metadata: _Metadata = () if token is None else (("authorization", f"Bearer {token}"),)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, trace)

    async def get_feature(self, location: Point) -> Feature:
        """The feature at exactly `location`, with an empty name where there is none."""
        call = self._stub.GetFeature(point_to_pb(location), timeout=self._deadline, metadata=self._metadata)
        try:
            return feature_from_pb(await call)
        except grpc.aio.AioRpcError as error:
            raise await self._connection.failure(error, deadline=self._deadline) from error

    async def list_features(
        self, rectangle: Rectangle, *, deadline: float | None = None
    ) -> AsyncGenerator[Feature, None]:
        """The features inside `rectangle` in the order of their import. Close it (`contextlib.aclosing`)."""
        call = self._stub.ListFeatures(rectangle_to_pb(rectangle), timeout=deadline, metadata=self._metadata)
        begun: bool | None = None
        try:
            async for message in call:
                begun = True
                yield feature_from_pb(message)
        except grpc.aio.AioRpcError as error:
            raise await self._connection.failure(error, deadline=deadline, connected=begun) from error
        finally:
            call.cancel()

    async def record_route(
        self, points: AsyncIterable[Point] | Iterable[Point], *, deadline: float | None = None
    ) -> RouteSummary:
        """The summary of the route along `points`. An exception of theirs ends the call and is raised."""
        call = self._stub.RecordRoute(timeout=deadline, metadata=self._metadata)
        stream = RequestStream(call, partial(self._connection.failure, deadline=deadline))
        try:
            await stream.connected()
            async for point in _asynchronous(points):
                await stream.write(point_to_pb(point))
            await stream.close()
            return await _summary(call, stream)
        finally:
            call.cancel()

    def chat(self, *, live: bool = False, deadline: float | None = None) -> RouteChat:
        """A conversation to send to and iterate over as one pleases. Enter it with `async with`.

        Args:
            live: also receive what others leave meanwhile where this conversation has left a note; each note
                of others comes once. The server must allow it.
        """
        call = self._stub.RouteChat(timeout=deadline, metadata=self._metadata + _LIVE * live)
        return RouteChat(call, partial(self._connection.failure, deadline=deadline))

    async def route_chat(
        self, notes: AsyncIterable[RouteNote] | Iterable[RouteNote], *, deadline: float | None = None
    ) -> AsyncGenerator[RouteNote, None]:
        """The replies to `notes`, as they come. An exception of `notes` ends the call and is raised.

        Close it (`contextlib.aclosing`): while it is open, notes are sent.
        """
        async with AsyncExitStack() as stack:
            chat = await stack.enter_async_context(self.chat(deadline=deadline))
            sending = asyncio.create_task(chat.send_all(_asynchronous(notes)))
            stack.push_async_callback(_cancelled, sending)
            try:
                async for note in chat:
                    yield note
            except asyncio.CancelledError:
                _raise_own_error(sending)
                raise


def _asynchronous(items: AsyncIterable[_Item] | Iterable[_Item]) -> AsyncIterable[_Item]:
    return items if isinstance(items, AsyncIterable) else _one_by_one(items)


async def _one_by_one(items: Iterable[_Item]) -> AsyncGenerator[_Item, None]:
    for item in items:
        yield item


async def _summary(
    call: grpc.aio.StreamUnaryCall[pb.Point, pb.RouteSummary], stream: RequestStream
) -> RouteSummary:
    try:
        return summary_from_pb(await call)
    except grpc.aio.AioRpcError:
        raise await stream.failure() from None


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _raise_own_error(task: asyncio.Task[None]) -> None:
    """Raises what ended `task`, unless it still runs or was cancelled as its caller is."""
    if task.done() and not task.cancelled():
        task.result()
