"""RecordRoute over the wire."""

import re
from collections.abc import Iterable

import grpc
import pytest

from routeguide.pb import route_guide_pb2 as pb
from tests.conftest import CHANNEL_OPTIONS, StartServer
from tests.support.wire import DEADLINE, Stub, failure, point, reason, violations

POST_ROUTE = [
    point(400066188, -746793294),
    point(412452168, -740214052),
    point(401827388, -740294537),
    point(414777405, -740615601),
    point(409642566, -746017679),
    point(406685311, -742108603),
    point(406523420, -742135517),
    point(405047245, -749800722),
    point(418858923, -746156790),
    point(409532885, -742200683),
]
ANTIPODES = [point(-834308498, -1752063631), point(834308498, 47936369)]


async def travelled(stub: Stub, points: Iterable[pb.Point]) -> pb.RouteSummary:
    return await stub.RecordRoute(iter(points), timeout=DEADLINE)


async def test_the_post_s_route(stub: Stub) -> None:
    summary = await travelled(stub, POST_ROUTE)

    assert (summary.point_count, summary.feature_count, summary.distance) == (10, 10, 863981)


async def test_no_points_no_distance(stub: Stub) -> None:
    assert await travelled(stub, []) == pb.RouteSummary()


async def test_distance_is_summed_before_it_is_truncated(stub: Stub) -> None:
    summary = await travelled(stub, [point(1000 * i, 1000 * i) for i in range(1, 5)])

    assert (summary.point_count, summary.feature_count, summary.distance) == (4, 0, 47)


async def test_antipodes(stub: Stub) -> None:
    assert (await travelled(stub, ANTIPODES)).distance == 20015086


async def test_a_feature_counts_each_time(stub: Stub) -> None:
    named, unnamed, nothing = POST_ROUTE[1], POST_ROUTE[0], point(400066188, -746793295)

    summary = await travelled(stub, [named, unnamed, nothing, named] * 300)

    assert (summary.point_count, summary.feature_count) == (1200, 900)


async def test_distance_that_does_not_fit(stub: Stub) -> None:
    """107 legs of half the globe still fit int32, 108 do not."""
    assert (await travelled(stub, (ANTIPODES * 54)[:108])).distance == 107 * 20015086 + 85  # 107 fractions
    error = await failure(travelled(stub, ANTIPODES * 55))

    assert error.code() is grpc.StatusCode.OUT_OF_RANGE
    assert reason(error) == "RESULT_OUT_OF_RANGE"
    metres = re.match(r"(\d+) metres", violations(error)["distance"])
    assert metres is not None
    assert int(metres[1]) > 2**31


async def test_point_beyond_the_globe_is_named_by_its_index(stub: Stub) -> None:
    error = await failure(travelled(stub, [*POST_ROUTE, point(900000001, 0), *POST_ROUTE]))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(error) == {
        "points[10].latitude": "900000001 is outside -900000000..900000000 (degrees * 10^7)"
    }


@pytest.mark.parametrize("sent", [50, 51, 5000])
async def test_more_points_than_the_limit(start_server: StartServer, storage_url: str, sent: int) -> None:
    server = await start_server(storage_url=storage_url, max_stream_messages=50)
    async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
        record_route = channel.stream_unary(
            "/routeguide.RouteGuide/RecordRoute",
            request_serializer=pb.Point.SerializeToString,
            response_deserializer=pb.RouteSummary.FromString,
        )
        call = record_route((point(i, i) for i in range(sent)), timeout=DEADLINE)
        if sent == 50:
            assert (await call).point_count == 50
            return
        error = await failure(call)

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "at most 50" in (error.details() or "")
    assert reason(error) == "LIMIT_EXCEEDED"
