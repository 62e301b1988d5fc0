"""The four RPCs: from bytes to the service and back.

Each is an `async def` that awaits `context.write`: that is faster than an async generator, is cancelled more
cleanly, and gives every stream its one writer. A write waits for the peer's flow-control window, so a slow
client costs no more than the page that is being written.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from routeguide.conversion import (
    decode_note,
    decode_point,
    decode_rectangle,
    encode,
    feature_to_pb,
    note_to_pb,
    summary_to_pb,
)
from routeguide.domain.models import RouteNote
from routeguide.errors import FieldViolation, InvalidInput
from routeguide.server.call import Call, Method, Shape
from routeguide.server.hearing import heard_out
from routeguide.service.route_guide import RouteGuide

_Model = TypeVar("_Model")
_Chat = Callable[[AsyncIterator[RouteNote]], AsyncGenerator[Sequence[RouteNote], None]]

LIVE = "routeguide-live"
"""The request metadata that asks for live chat."""

_ANSWERS = {None: False, "false": False, "true": True}


class RouteGuideServicer:
    """Serves `routeguide.RouteGuide`."""

    def __init__(self, guide: RouteGuide) -> None:
        self._guide = guide

    def methods(self, service: str) -> list[Method]:
        return [
            Method(service, "GetFeature", self.get_feature, Shape.UNARY),
            Method(service, "ListFeatures", self.list_features, Shape.STREAM, streams_responses=True),
            Method(service, "RecordRoute", self.record_route, Shape.STREAM),
            Method(service, "RouteChat", self.route_chat, Shape.STREAM, streams_responses=True),
        ]

    async def get_feature(self, call: Call) -> bytes:
        location = decode_point(await only_request(call))
        return encode(feature_to_pb(await self._guide.get_feature(location)))

    async def list_features(self, call: Call) -> None:
        rectangle = decode_rectangle(await only_request(call))
        async with aclosing(self._guide.list_features(rectangle)) as pages:
            async for page in pages:
                for feature in page:
                    await call.write(encode(feature_to_pb(feature)))

    async def record_route(self, call: Call) -> bytes:
        async with heard_out(call), aclosing(_decoded(call, decode_point, "points")) as points:
            return encode(summary_to_pb(await self._guide.record_route(points)))

    async def route_chat(self, call: Call) -> None:
        async with heard_out(call) as unbroken:
            if _asks_for_live(call):
                await self._chat(call, unbroken, self._guide.live_chat)
            else:
                await self._chat(call, call, self._guide.route_chat)

    async def _chat(self, call: Call, requests: AsyncIterator[bytes], chat: _Chat) -> None:
        async with (
            aclosing(_decoded(requests, decode_note, "notes")) as notes,
            aclosing(chat(notes)) as replies,
        ):
            async for earlier in replies:
                for note in earlier:
                    await call.write(encode(note_to_pb(note)))


async def only_request(call: Call) -> bytes:
    """The request of a call that has one.

    Raises:
        InvalidInput: the client ended the call without sending it. grpc's own unary handlers never
            answer such a call; that is why every method is registered as one that streams requests.
    """
    async for request in call:
        return request
    raise InvalidInput([FieldViolation("", "the call ended without a request message")])


def _asks_for_live(call: Call) -> bool:
    """Raises InvalidInput: the header says neither yes nor no."""
    value = call.header(LIVE)
    if value in _ANSWERS:
        return _ANSWERS[value]
    raise InvalidInput([FieldViolation("", f"the metadata {LIVE} must be true or false")])


async def _decoded(
    requests: AsyncIterator[bytes], decode: Callable[[bytes], _Model], name: str
) -> AsyncGenerator[_Model, None]:
    """The requests of a stream as models; an invalid one is named by its index, counted from 0."""
    index = 0
    async for request in requests:
        try:
            model = decode(request)
        except InvalidInput as error:
            raise error.within(f"{name}[{index}]") from None
        yield model
        index += 1
