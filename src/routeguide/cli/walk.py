"""The walk through the four RPCs that the route guide clients of gRPC's examples take.

What it prints is theirs, word for word; points and notes are theirs as well.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing

import click

from routeguide.cli.output import printable
from routeguide.client import RouteGuideClient
from routeguide.conversion import point_to_pb
from routeguide.domain.models import Feature, Point, Rectangle, RouteNote

_DEADLINE = 30.0
"""Seconds for each of the streams, which take a moment."""

_KNOWN = Point(409146138, -746188906)
_UNKNOWN = Point(0, 0)
_NEW_JERSEY = Rectangle.between(400000000, -750000000, 420000000, -730000000)

_ROUTE = (
    Point(400066188, -746793294),
    Point(412452168, -740214052),
    Point(401827388, -740294537),
    Point(414777405, -740615601),
    Point(409642566, -746017679),
    Point(406685311, -742108603),
    Point(406523420, -742135517),
    Point(405047245, -749800722),
    Point(418858923, -746156790),
    Point(409532885, -742200683),
)

_NOTES = (
    RouteNote(Point(0, 0), "First message"),
    RouteNote(Point(0, 1), "Second message"),
    RouteNote(Point(1, 0), "Third message"),
    RouteNote(Point(0, 0), "Fourth message"),
    RouteNote(Point(1, 0), "Fifth message"),
)


async def walk(client: RouteGuideClient, *, at_random: bool) -> None:
    """Calls each RPC and prints what is sent and received."""
    _head("GetFeature")
    await _get_feature(client)
    _head("ListFeatures")
    found = await _list_features(client)
    _head("RecordRoute")
    await _record_route(client, _random_route(found) if at_random else _ROUTE)
    _head("RouteChat")
    await _route_chat(client)


async def _get_feature(client: RouteGuideClient) -> None:
    for location in (_KNOWN, _UNKNOWN):
        feature = await client.get_feature(location)
        if feature.name:
            _say("Feature called", printable(feature.name), "at", _text(feature.location))
        else:
            _say("Found no feature at", _text(feature.location))


async def _list_features(client: RouteGuideClient) -> Sequence[Feature]:
    _say("Looking for features between 40, -75 and 42, -73")
    found = []
    async with aclosing(client.list_features(_NEW_JERSEY, deadline=_DEADLINE)) as features:
        async for feature in features:
            _say("Feature called", printable(feature.name), "at", _text(feature.location))
            found.append(feature)
    return found


async def _record_route(client: RouteGuideClient, route: Sequence[Point]) -> None:
    summary = await client.record_route(_visited(route), deadline=_DEADLINE)
    _say(f"Finished trip with {summary.point_count} points")
    _say(f"Passed {summary.feature_count} features")
    _say(f"Travelled {summary.distance} meters")
    _say(f"It took {summary.elapsed_time} seconds")


async def _route_chat(client: RouteGuideClient) -> None:
    async with aclosing(client.route_chat(_sent(_NOTES), deadline=_DEADLINE)) as replies:
        async for note in replies:
            _say("Received message", printable(note.message), "at", _text(note.location))


def _random_route(features: Sequence[Feature]) -> Sequence[Point]:
    picked = random.choices(features, k=10) if features else []  # noqa: S311  # a walk, no secret
    return [feature.location for feature in picked]


def _visited(route: Iterable[Point]) -> Iterator[Point]:
    for point in route:
        _say("Visiting point", _text(point))
        yield point


def _sent(notes: Iterable[RouteNote]) -> Iterator[RouteNote]:
    for note in notes:
        _say("Sending", note.message, "at", _text(note.location))
        yield note


def _head(title: str) -> None:
    _say(f"-------------- {title} --------------")


def _text(location: Point) -> str:
    """As the originals print a point: protobuf's text, on two lines, without coordinates that are zero."""
    return str(point_to_pb(location)).rstrip()


def _say(*words: str) -> None:
    """Prints the words that there are; a point at (0, 0) and a feature without a name have none."""
    click.echo(" ".join(filter(None, words)))
