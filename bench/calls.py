"""The calls that are measured, one of each kind, as the bytes that travel."""

from dataclasses import dataclass

import grpc

from bench.synthetic import HUNDRED, features
from routeguide.conversion import point_to_pb, rectangle_to_pb
from routeguide.pb import route_guide_pb2 as pb

SERVICE = "routeguide.RouteGuide"
FEATURES = 100
"""Features in the answer of ListFeatures, and points of RecordRoute."""
NOTES = 24

CONNECTIONS = 4
STREAMS = 25
"""Calls under way on each connection."""

_DEADLINE = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what the client sends, and how much of that the bench asks for."""

    method: str
    messages: tuple[bytes, ...]
    count: int
    """Calls in one run, so that it takes some seconds."""

    @property
    def path(self) -> str:
        return f"/{SERVICE}/{self.method}"


def calls() -> list[Call]:
    """The four, for a server with `synthetic.features(100)` that keeps one note at a location.

    Then each note is answered by exactly one, however often the call is repeated.
    """
    points = [point_to_pb(feature.location) for feature in features(FEATURES)]
    notes = [pb.RouteNote(location=point, message="Are we there yet?") for point in points[:NOTES]]
    return [
        Call("GetFeature", (points[0].SerializeToString(),), 5_000),
        Call("ListFeatures", (rectangle_to_pb(HUNDRED).SerializeToString(),), 500),
        Call("RecordRoute", tuple(point.SerializeToString() for point in points), 1_000),
        Call("RouteChat", tuple(note.SerializeToString() for note in notes), 1_000),
    ]


async def perform(channel: grpc.aio.Channel, call: Call) -> int:
    """Makes the call and returns how many messages were answered. Raises grpc.RpcError unless it is OK."""
    method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(call.path)
    return len([message async for message in method(iter(call.messages), timeout=_DEADLINE)])
