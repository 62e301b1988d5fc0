"""GetFeature over the wire."""

import asyncio

import grpc
import pytest

from routeguide.pb import route_guide_pb2 as pb
from tests.support.wire import DEADLINE, Stub, failure, point, reason, violations

BERKSHIRE = point(409146138, -746188906)


async def test_known_location(stub: Stub) -> None:
    feature = await stub.GetFeature(BERKSHIRE, timeout=DEADLINE)

    assert feature == pb.Feature(
        name="Berkshire Valley Management Area Trail, Jefferson, NJ, USA", location=BERKSHIRE
    )


@pytest.mark.parametrize(
    "location",
    [point(0, 0), pb.Point(), point(409146138, -746188905), point(900000000, 1800000000)],
    ids=["origin", "absent fields", "one unit off", "corner of the globe"],
)
async def test_unknown_location_is_echoed_without_a_name(stub: Stub, location: pb.Point) -> None:
    feature = await stub.GetFeature(location, timeout=DEADLINE)

    assert feature == pb.Feature(name="", location=location)
    assert feature.HasField("location")


@pytest.mark.parametrize(
    ("location", "fields"),
    [
        (point(2**31 - 1, 0), {"latitude"}),
        (point(-(2**31), 0), {"latitude"}),
        (point(0, 2**31 - 1), {"longitude"}),
        (point(2**31 - 1, -(2**31)), {"latitude", "longitude"}),
        (point(900000001, 0), {"latitude"}),
        (point(0, -1800000001), {"longitude"}),
    ],
)
async def test_location_beyond_the_globe(stub: Stub, location: pb.Point, fields: set[str]) -> None:
    error = await failure(stub.GetFeature(location, timeout=DEADLINE))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert set(violations(error)) == fields
    assert reason(error) == "INVALID_INPUT"
    for field, description in violations(error).items():
        assert str(getattr(location, field)) in description
        assert field in (error.details() or "")


async def test_many_at_once_get_each_its_own_answer(stub: Stub) -> None:
    locations = [point(i, -i) for i in range(200)]

    features = await asyncio.gather(*(stub.GetFeature(each, timeout=DEADLINE) for each in locations))

    assert [feature.location for feature in features] == locations
