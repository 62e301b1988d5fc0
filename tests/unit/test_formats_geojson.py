"""What GeoJSON may and may not hold."""

import json
from io import BytesIO
from typing import Any

import pytest

from routeguide.domain.models import Feature, Point
from routeguide.errors import FeatureFileError
from routeguide.formats.geojson import geojson_feature
from routeguide.formats.reading import Format
from tests.support.feature_files import read_all

HERE: dict[str, Any] = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [-74.6143763, 40.7838351]},
    "properties": {"name": "Here"},
}


def read(*features: object) -> list[Feature]:
    document = json.dumps({"features": features, "type": "FeatureCollection"})
    return list(read_all(BytesIO(document.encode()), Format.GEOJSON))


def at(longitude: float, latitude: float) -> dict[str, Any]:
    return {**HERE, "geometry": {"type": "Point", "coordinates": [longitude, latitude]}}


def test_longitude_comes_first() -> None:
    assert read(HERE) == [Feature("Here", Point(407838351, -746143763))]


def test_features_are_written_as_they_are_read() -> None:
    assert geojson_feature(Feature("Here", Point(407838351, -746143763))) == HERE


@pytest.mark.parametrize(
    "changes",
    [
        {"properties": None},
        {"properties": {}},
        {"properties": {"name": None}},
        {"properties": {"kind": "peak"}},
    ],
)
def test_the_name_may_be_absent(changes: dict[str, Any]) -> None:
    assert [each.name for each in read({**HERE, **changes})] == [""]


def test_members_that_nobody_needs_are_ignored() -> None:
    extended = {**HERE, "id": 7, "bbox": [1, 2, 3, 4], "deep": [[{"a": [1]}]]}

    assert read(extended) == read(HERE)


@pytest.mark.parametrize(
    ("degrees", "e7"),
    [
        (0.00000004, 0),
        (0.00000006, 1),
        (-0.00000006, -1),
        (40.78383510000001, 407838351),
        (90, 900000000),
        (-90.0, -900000000),
    ],
)
def test_degrees_are_rounded_to_the_nearest_e7(degrees: float, e7: int) -> None:
    assert [each.location.latitude for each in read(at(0, degrees))] == [e7]


def test_the_altitude_is_dropped() -> None:
    geometry = {"type": "Point", "coordinates": [1, 2, 8848.86]}

    assert [each.location for each in read({**HERE, "geometry": geometry})] == [Point(20000000, 10000000)]


@pytest.mark.parametrize(
    ("feature", "problem"),
    [
        ([], "a list is not an object"),
        ({}, 'type: null is not "Feature"'),
        ({**HERE, "type": "Point"}, "type: 'Point' is not \"Feature\""),
        ({**HERE, "geometry": None}, "geometry: null is not an object"),
        (
            {**HERE, "geometry": {"type": "LineString", "coordinates": [[1, 2]]}},
            "geometry.type: 'LineString' is not",
        ),
        ({**HERE, "geometry": {"type": "Point"}}, "geometry.coordinates: null is not a list of"),
        ({**HERE, "geometry": {"type": "Point", "coordinates": [1]}}, "geometry.coordinates: a list is not"),
        (
            {**HERE, "geometry": {"type": "Point", "coordinates": [1, 2, 3, 4]}},
            "geometry.coordinates: a list is not",
        ),
        ({**HERE, "geometry": {"type": "Point", "coordinates": ["1", 2]}}, "longitude: '1' is not a number"),
        ({**HERE, "geometry": {"type": "Point", "coordinates": [1, True]}}, "latitude: true is not a number"),
        (at(0, 90.0000001), "latitude: 90.0000001 is outside ±90 degrees"),
        (at(-180.5, 0), "longitude: -180.5 is outside ±180 degrees"),
        (at(200, 100), "latitude: 100 is outside ±90 degrees; longitude: 200 is outside ±180 degrees"),
        ({**HERE, "properties": []}, "properties: a list is not an object"),
        ({**HERE, "properties": {"name": 5}}, "properties.name: 5 is not text"),
    ],
)
def test_what_is_no_feature_is_reported(feature: object, problem: str) -> None:
    with pytest.raises(FeatureFileError) as caught:
        read(HERE, feature)

    (found,) = caught.value.problems
    assert found.startswith(f"feature 2: {problem}")
