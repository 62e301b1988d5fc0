"""Distances on the globe."""

from math import pi

import pytest
from hypothesis import given

from routeguide.domain.geo import EARTH_RADIUS, great_circle_distance
from routeguide.domain.models import Point, Rectangle
from routeguide.domain.route import Route
from routeguide.errors import InvalidInput
from tests.unit.test_conversion import points

HALF_THE_GLOBE = pi * EARTH_RADIUS


def antipode(point: Point) -> Point:
    longitude = point.longitude - 1_800_000_000 if point.longitude > 0 else point.longitude + 1_800_000_000
    return Point(-point.latitude, longitude)


@given(points)
def test_antipodes_are_half_the_globe_apart(point: Point) -> None:
    """About 4 % of them would leave the domain of the arc sine without the clamp."""
    assert great_circle_distance(point, antipode(point)) == pytest.approx(HALF_THE_GLOBE, abs=1)


@given(points, points)
def test_distance_is_a_metric(start: Point, end: Point) -> None:
    distance = great_circle_distance(start, end)

    assert 0 <= distance <= HALF_THE_GLOBE
    assert great_circle_distance(end, start) == pytest.approx(distance)
    assert great_circle_distance(start, start) == 0


def test_a_degree_of_latitude() -> None:
    assert great_circle_distance(Point(0, 0), Point(10_000_000, 0)) == pytest.approx(HALF_THE_GLOBE / 180)


def test_the_antimeridian_is_no_border() -> None:
    assert great_circle_distance(Point(0, 1_800_000_000), Point(0, -1_800_000_000)) == pytest.approx(
        0, abs=0.01
    )


def test_route_adds_up_what_it_passes() -> None:
    route = Route()
    for index in range(1, 5):
        route.visit(Point(1000 * index, 1000 * index))

    assert (route.point_count, int(route.distance)) == (4, 47)


def test_rectangle_is_clamped_and_put_in_order() -> None:
    assert Rectangle.between(2**31 - 1, 5, -5, -(2**31)) == Rectangle(-5, -1_800_000_000, 900_000_000, 5)


def test_point_beyond_the_globe_names_every_coordinate_at_fault() -> None:
    with pytest.raises(InvalidInput) as raised:
        Point(900_000_001, -1_800_000_001)

    assert [each.field for each in raised.value.violations] == ["latitude", "longitude"]
