"""Finding and counting features at exact locations."""

import asyncio

import pytest

from routeguide.domain.models import MAX_LATITUDE, MAX_LONGITUDE, Feature, Point
from routeguide.storage.base import Storage

CORNERS = [Point(MAX_LATITUDE * y, MAX_LONGITUDE * x) for y in (-1, 0, 1) for x in (-1, 0, 1)]


async def test_finds_the_feature_at_exactly_the_location(store: Storage) -> None:
    feature = Feature("Patriots Path", Point(407838351, -746143763))
    await store.features.import_all([feature])
    assert await store.features.find(feature.location) == feature
    assert await store.features.find(Point(407838351, -746143762)) is None
    assert await store.features.find(Point(-746143763, 407838351)) is None


async def test_an_unnamed_feature_is_a_feature(store: Storage) -> None:
    await store.features.import_all([Feature("", Point(1, 2))])
    assert await store.features.find(Point(1, 2)) == Feature("", Point(1, 2))
    assert await store.features.count_at([Point(1, 2)]) == 1


@pytest.mark.parametrize("location", CORNERS, ids=str)
async def test_poles_and_antimeridian_are_locations_like_any_other(store: Storage, location: Point) -> None:
    await store.features.import_all([Feature(str(each), each) for each in CORNERS])
    assert await store.features.find(location) == Feature(str(location), location)


@pytest.mark.parametrize("name", ["a\0b", "\0", "🏔️ Zürich", "'; DROP TABLE feature; --", "x" * 70_000])
async def test_names_come_back_as_they_went_in(store: Storage, name: str) -> None:
    await store.features.import_all([Feature(name, Point(0, 0))])
    assert await store.features.find(Point(0, 0)) == Feature(name, Point(0, 0))


async def test_counts_each_location_as_often_as_it_occurs(store: Storage) -> None:
    await store.features.import_all([Feature("a", Point(0, 0)), Feature("", Point(0, 1))])
    asked = [Point(0, 0), Point(5, 5), Point(0, 0), Point(0, 1), Point(1, 0)]
    assert await store.features.count_at(asked) == 3
    assert await store.features.count_at([]) == 0


async def test_counts_more_locations_than_one_statement_takes(store: Storage) -> None:
    await store.features.import_all([Feature("a", Point(0, 0))])
    assert await store.features.count_at([Point(0, 0), Point(0, 1)] * 20_000) == 20_000


async def test_everyone_who_counts_at_the_same_time_is_given_their_own_count(store: Storage) -> None:
    await store.features.import_all([Feature("a", Point(0, 0))])
    asked = [[Point(0, 0)] * hits + [Point(1, 1)] * misses for hits in range(40) for misses in (0, 1, 1_500)]
    counts = await asyncio.gather(*map(store.features.count_at, asked))
    assert counts == [hits for hits in range(40) for _ in range(3)]


async def test_a_fresh_store_has_nothing_and_answers(store: Storage) -> None:
    await store.check()
    assert await store.features.count() == 0
    assert await store.features.find(Point(0, 0)) is None
    assert await store.features.count_at([Point(0, 0)]) == 0
    assert await store.notes.count() == 0
