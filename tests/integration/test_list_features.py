"""ListFeatures over the wire."""

import asyncio
import json
from importlib.resources import files
from pathlib import Path

import pytest

from routeguide.pb import route_guide_pb2 as pb
from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.conftest import OpenChannel, StartServer
from tests.support.wire import DEADLINE, Stub, drained, point, rectangle

NEW_JERSEY = (400000000, -750000000, 420000000, -730000000)
SAMPLE = json.loads(files("routeguide").joinpath("data/route_guide_db.json").read_text())


async def test_the_post_s_rectangle_holds_all_in_import_order(stub: Stub) -> None:
    features = await drained(stub.ListFeatures(rectangle(*NEW_JERSEY), timeout=DEADLINE))

    assert [feature.name for feature in features] == [each["name"] for each in SAMPLE]
    assert sum(bool(feature.name) for feature in features) == 64
    assert len(features) == 100


async def test_corners_come_in_any_order(stub: Stub) -> None:
    south, west, north, east = NEW_JERSEY
    expected = await drained(stub.ListFeatures(rectangle(*NEW_JERSEY), timeout=DEADLINE))

    for corners in [(north, east, south, west), (north, west, south, east), (south, east, north, west)]:
        assert await drained(stub.ListFeatures(rectangle(*corners), timeout=DEADLINE)) == expected


async def test_degenerate_rectangle_is_inclusive(stub: Stub) -> None:
    where = (407838351, -746143763)

    features = await drained(stub.ListFeatures(rectangle(*where, *where), timeout=DEADLINE))

    assert features == [pb.Feature(name="Patriots Path, Mendham, NJ 07945, USA", location=point(*where))]


async def test_corners_beyond_the_globe_ask_for_everything(stub: Stub) -> None:
    everything = rectangle(-(2**31), -(2**31), 2**31 - 1, 2**31 - 1)

    assert len(await drained(stub.ListFeatures(everything, timeout=DEADLINE))) == 100


async def test_absent_corners_are_the_origin(stub: Stub) -> None:
    assert await drained(stub.ListFeatures(pb.Rectangle(), timeout=DEADLINE)) == []
    north_west = pb.Rectangle(hi=point(900000000, -1800000000))
    assert len(await drained(stub.ListFeatures(north_west, timeout=DEADLINE))) == 100


@pytest.fixture
def many_features(tmp_path: Path) -> Path:
    """30 000 features: more than any buffer between server and client holds."""
    file = tmp_path / "many.json"
    features = [{"name": "x" * 100, "location": {"latitude": i, "longitude": i}} for i in range(30_000)]
    file.write_text(json.dumps(features))
    return file


async def test_slow_reader_gets_everything_and_keeps_nobody_waiting(
    start_server: StartServer,
    open_channel: OpenChannel,
    storage_url: str,
    many_features: Path,
) -> None:
    server = await start_server(storage_url=storage_url, seed_features=str(many_features))
    slow, other = RouteGuideStub(open_channel(server)), RouteGuideStub(open_channel(server))
    call = slow.ListFeatures(rectangle(0, 0, 900000000, 900000000), timeout=DEADLINE)
    features = aiter(call)
    received = [(await anext(features)).location.latitude]

    for index in range(100):  # while the reader does not read
        answer = await other.GetFeature(point(index, index), timeout=DEADLINE)
        assert answer.name

    received += [feature.location.latitude async for feature in features]
    assert received == list(range(30_000))


async def test_cancelled_listings_leave_the_server_well(
    start_server: StartServer,
    open_channel: OpenChannel,
    storage_url: str,
    many_features: Path,
) -> None:
    server = await start_server(storage_url=storage_url, seed_features=str(many_features))
    stub = RouteGuideStub(open_channel(server))
    for _ in range(20):
        call = stub.ListFeatures(rectangle(0, 0, 900000000, 900000000), timeout=DEADLINE)
        await anext(aiter(call))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drained(call)

    assert (await stub.GetFeature(point(7, 7), timeout=DEADLINE)).name
