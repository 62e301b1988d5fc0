"""Listing the features inside a rectangle."""

import random
from contextlib import aclosing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routeguide.domain.models import MAX_LATITUDE, MAX_LONGITUDE, Feature, Point, Rectangle
from routeguide.storage.base import Storage
from tests.contract.conftest import listed

GRID = [Feature(f"{y}/{x}", Point(y, x)) for y in range(-3, 4) for x in range(-3, 4)]
INT32 = st.integers(-(2**31), 2**31 - 1)


async def test_bounds_are_inclusive(store: Storage) -> None:
    await store.features.import_all(GRID)
    inside = await listed(store, Rectangle.between(-1, -2, 1, 2))
    assert {each.location for each in inside} == {Point(y, x) for y in (-1, 0, 1) for x in range(-2, 3)}


@pytest.mark.parametrize("corners", [(-1, -2, 1, 2), (1, 2, -1, -2), (-1, 2, 1, -2), (1, -2, -1, 2)])
async def test_corners_come_in_any_order(store: Storage, corners: tuple[int, int, int, int]) -> None:
    await store.features.import_all(GRID)
    assert len(await listed(store, Rectangle.between(*corners))) == 15


async def test_a_degenerate_rectangle_is_a_point_or_a_line(store: Storage) -> None:
    await store.features.import_all(GRID)
    assert await listed(store, Rectangle.between(2, -3, 2, -3)) == [Feature("2/-3", Point(2, -3))]
    assert [each.name for each in await listed(store, Rectangle.between(0, -9, 0, -2))] == ["0/-3", "0/-2"]
    assert await listed(store, Rectangle.between(9, 9, 9, 9)) == []


async def test_corners_beyond_the_globe_ask_for_everything(store: Storage) -> None:
    edges = [
        Feature("", Point(y, x))
        for y in (-MAX_LATITUDE, MAX_LATITUDE)
        for x in (-MAX_LONGITUDE, MAX_LONGITUDE)
    ]
    await store.features.import_all(edges)
    assert await listed(store, Rectangle.between(-(2**31), 2**31 - 1, 2**31 - 1, -(2**31))) == edges


@pytest.mark.parametrize("count", [1, 511, 512, 513, 1024, 9_999, 10_000, 10_001, 40_000])
async def test_any_number_of_features_comes_in_the_order_of_import(store: Storage, count: int) -> None:
    features = [Feature(str(each), Point(each % 211, each)) for each in range(count)]
    random.Random(count).shuffle(features)  # noqa: S311  # reproducible, not secret
    await store.features.import_all([*features, Feature("outside", Point(-1, 0))])
    assert await listed(store, Rectangle.between(0, 0, 300, count)) == features


async def test_a_large_area_with_few_features_scattered_over_the_order(store: Storage) -> None:
    everywhere = [Feature(str(each), Point(each % 2, each)) for each in range(60_000)]
    await store.features.import_all(everywhere)
    assert await listed(store, Rectangle.between(1, 0, 1, 60_000)) == everywhere[1::2]


async def test_order_and_places_survive_a_second_import(store: Storage) -> None:
    await store.features.import_all([Feature(name, Point(0, place)) for place, name in enumerate("abc")])
    await store.features.import_all([Feature("d", Point(0, 3)), Feature("B", Point(0, 1))])
    assert [each.name for each in await listed(store)] == ["a", "B", "c", "d"]


async def test_a_listing_may_be_left_after_any_page(store: Storage) -> None:
    await store.features.import_all(Feature("", Point(0, each)) for each in range(30_000))
    async with aclosing(store.features.within(Rectangle.GLOBE)) as pages:
        assert (await anext(pages))[0].location == Point(0, 0)
    await store.features.import_all([Feature("nothing is locked", Point(1, 0))])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(y=INT32, x=INT32, y2=INT32, x2=INT32)
async def test_agrees_with_the_definition(store: Storage, y: int, x: int, y2: int, x2: int) -> None:
    rng = random.Random(0)  # noqa: S311  # reproducible, not secret
    features = [
        Feature(
            "", Point(rng.randint(-MAX_LATITUDE, MAX_LATITUDE), rng.randint(-MAX_LONGITUDE, MAX_LONGITUDE))
        )
        for _ in range(300)
    ]
    await store.features.import_all(features)  # the first time; then it changes nothing
    rectangle = Rectangle.between(y, x, y2, x2)
    assert await listed(store, rectangle) == [each for each in features if each.location in rectangle]
