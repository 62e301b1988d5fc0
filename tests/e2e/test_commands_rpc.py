"""The commands for one RPC each, for people and for programs."""

import json
import re

import pytest

from routeguide.server.app import RunningServer
from tests.conftest import StartServer
from tests.support.commands import DEADLINE, run, started

TRAIL = "Berkshire Valley Management Area Trail, Jefferson, NJ, USA"
EVERYTHING = ("-90.0,-180.0", "90.0,180.0")


@pytest.fixture
async def target(start_server: StartServer) -> str:
    server: RunningServer = await start_server()
    return server.address


async def test_get_feature(target: str) -> None:
    finished = await run("get-feature", "40.9146138,-74.6188906", "--target", target)

    assert (finished.code, finished.err) == (0, "")
    assert finished.lines == [TRAIL, "40.9146138,-74.6188906"]


async def test_get_feature_where_there_is_none(target: str) -> None:
    finished = await run("get-feature", "-33.8,151.2", "--target", target)

    assert finished.code == 0
    assert finished.lines == ["There is no feature with a name at -33.8000000,151.2000000"]


async def test_get_feature_as_geojson(target: str) -> None:
    finished = await run("get-feature", "409146138,-746188906", "--target", target, "--format", "json")

    assert json.loads(finished.out) == {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [-74.6188906, 40.9146138]},
        "properties": {"name": TRAIL},
    }


async def test_the_target_is_by_default_where_the_settings_have_the_server_listen(target: str) -> None:
    finished = await run("get-feature", "0,0", env={"ROUTEGUIDE_LISTEN": target})

    assert finished.code == 0


async def test_list_features_as_a_table(target: str) -> None:
    """In full where no terminal sets a width, and in the order of the import."""
    finished = await run("list-features", *EVERYTHING, "--target", target, env={"COLUMNS": "30"})

    assert (finished.code, finished.err) == (0, "")
    assert len(finished.lines) == 101
    assert finished.lines[0].split() == ["latitude", "longitude", "name"]
    first = finished.lines[1].split(maxsplit=2)
    assert [cell.rstrip() for cell in first] == [
        "40.7838351",
        "-74.6143763",
        "Patriots Path, Mendham, NJ 07945, USA",
    ]
    assert "\x1b" not in finished.out


async def test_list_features_as_geojson(target: str) -> None:
    finished = await run("list-features", *EVERYTHING, "--target", target, "--format", "json")

    document = json.loads(finished.out)
    assert document["type"] == "FeatureCollection"
    assert len(document["features"]) == 100
    assert document["features"][0]["properties"]["name"] == "Patriots Path, Mendham, NJ 07945, USA"


async def test_list_features_where_there_are_none(target: str) -> None:
    finished = await run("list-features", "0,0", "1,1", "--target", target, "--format", "json")

    assert json.loads(finished.out) == {"type": "FeatureCollection", "features": []}


async def test_record_route(target: str) -> None:
    points = [f"{1000 * i},{1000 * i}" for i in range(1, 5)]

    finished = await run("record-route", *points, "--target", target)

    points_line, metres_line = finished.lines
    assert points_line == "4 points, 0 of them on a feature"
    assert re.fullmatch(r"47 metres in \d+ seconds?", metres_line)


async def test_record_route_with_points_from_standard_input(target: str) -> None:
    stdin = "409146138,-746188906\n\n40.9146138,-74.6188906"

    finished = await run("record-route", "--target", target, "--format", "json", stdin=stdin)

    summary = json.loads(finished.out)
    assert summary.pop("elapsed_time") < DEADLINE
    assert summary == {"point_count": 2, "feature_count": 2, "distance": 0}


async def test_record_route_names_the_line_that_is_no_point(target: str) -> None:
    finished = await run("record-route", "--target", target, stdin="0,0\n\nnowhere\n")

    assert (finished.code, finished.out) == (1, "")
    assert finished.err.startswith("Error: line 3: 'nowhere' is not LAT,LON")


async def test_a_refusal_is_told_in_the_server_s_words(start_server: StartServer) -> None:
    server = await start_server(max_stream_messages=1)

    finished = await run("record-route", "0,0", "0,0", "--target", server.address)

    assert (finished.code, finished.out) == (1, "")
    assert finished.err == "Error: points[1]: one stream may carry at most 1 (RESOURCE_EXHAUSTED)\n"


async def test_nobody_listens() -> None:
    finished = await run("get-feature", "0,0", "--target", "localhost:1")

    assert (finished.code, finished.out) == (1, "")
    assert finished.err.startswith("Error: cannot connect to localhost:1; does a gRPC server listen there?")
    assert "Traceback" not in finished.err


async def test_a_reader_that_goes_away_is_told_nothing(target: str) -> None:
    async with started("chat", "--at", "0,0", "--target", target) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]  # no public way to it
        process.stdin.write(b"one\ntwo\n")  # two is answered with one, which nobody reads

        assert await process.stderr.read() == b""
        assert await process.wait() == 1
