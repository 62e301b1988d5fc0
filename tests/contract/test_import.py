"""Importing features: all or none, idempotent, the last one wins."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from routeguide.domain.models import Feature, Point, Rectangle
from routeguide.storage.base import ImportResult, Storage
from tests.contract.conftest import DURABLE, OpenStore, listed

MANY = [Feature(str(each), Point(0, each)) for each in range(2_500)]


async def test_tells_what_was_done_with_each(store: Storage) -> None:
    assert await store.features.import_all(iter(MANY)) == ImportResult(added=2_500, renamed=0, unchanged=0)
    changed = [Feature("new name", MANY[0].location), MANY[1], Feature("", Point(1, 1))]
    assert await store.features.import_all(changed) == ImportResult(added=1, renamed=1, unchanged=1)
    assert await store.features.count() == 2_501


async def test_a_second_time_changes_nothing(store: Storage) -> None:
    await store.features.import_all(MANY)
    assert await store.features.import_all(MANY) == ImportResult(added=0, renamed=0, unchanged=2_500)
    assert await listed(store) == MANY


async def test_nothing_is_a_fine_thing_to_import(store: Storage) -> None:
    result = await store.features.import_all([])
    assert result == ImportResult(added=0, renamed=0, unchanged=0)


async def test_the_last_one_at_a_location_wins_and_keeps_the_first_ones_place(store: Storage) -> None:
    names = ["a", "b", "b", "c"]
    features = [Feature(name, Point(0, 0)) for name in names]
    result = await store.features.import_all([features[0], Feature("z", Point(1, 0)), *features[1:]])
    assert result == ImportResult(added=2, renamed=2, unchanged=1)
    assert [each.name for each in await listed(store)] == ["c", "z"]


@pytest.mark.parametrize("read", [0, 1, 999, 1_000, 1_001, 2_400])
async def test_an_exception_from_the_source_undoes_everything(store: Storage, read: int) -> None:
    known = Feature("known", MANY[0].location)
    await store.features.import_all([known])

    def broken() -> Iterator[Feature]:
        yield from MANY[:read]
        raise ValueError("the file ends in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        await store.features.import_all(broken())
    assert await listed(store) == [known]
    assert (await store.features.import_all(MANY)).total == len(MANY)


@pytest.mark.parametrize("failure", [OSError("cannot be read"), TimeoutError("takes too long")], ids=repr)
async def test_what_the_source_fails_with_is_not_taken_for_a_fault_of_the_store(
    store: Storage, failure: Exception
) -> None:
    """Drivers fail with OSError when a connection is lost; here it is a file that is."""

    def broken() -> Iterator[Feature]:
        yield from MANY
        raise failure

    with pytest.raises(type(failure)) as raised:
        await store.features.import_all(broken())
    assert raised.value is failure
    assert await store.features.count() == 0


async def test_calls_go_on_and_see_all_of_it_or_nothing(store: Storage) -> None:
    importing = asyncio.create_task(store.features.import_all(iter(MANY)))
    seen = set()
    while not importing.done():
        seen.add(await store.features.count())
        seen.add(len(await listed(store)))
        await asyncio.sleep(0)
    assert seen <= {0, len(MANY)}
    assert await listed(store) == MANY


@pytest.mark.parametrize("count", [2_000, 12_000])
async def test_a_listing_under_way_keeps_its_order_and_no_page_is_mixed(store: Storage, count: int) -> None:
    """As many as a listing finds by their ids, and as many as it walks through."""
    old = [Feature("old", Point(0, each)) for each in range(count)]
    new = [Feature("new", Point(each // count, each % count)) for each in range(count + 3_000)]
    await store.features.import_all(old)
    async with aclosing(store.features.within(Rectangle.GLOBE)) as pages:
        listing = [await anext(pages)]
        await store.features.import_all(new)
        listing += [page async for page in pages]
    assert {len({feature.name for feature in page}) for page in listing} == {1}
    locations = [feature.location for page in listing for feature in page]
    assert locations == [feature.location for feature in new][: len(locations)]
    assert len(locations) >= count
    assert await listed(store) == new


async def test_imports_at_the_same_time_take_nothing_from_each_other(store: Storage) -> None:
    await asyncio.gather(store.features.import_all(MANY[:1_500]), store.features.import_all(MANY[1_000:]))
    assert sorted(each.location for each in await listed(store)) == [each.location for each in MANY]


async def test_an_import_into_an_empty_store_is_one_as_any_other(store: Storage) -> None:
    assert await store.features.import_all(MANY, into_empty=True) == ImportResult(added=2_500)
    assert await listed(store) == MANY


async def test_an_import_into_an_empty_store_leaves_one_with_features_as_it_is(store: Storage) -> None:
    known = Feature("known", MANY[0].location)
    await store.features.import_all([known])
    assert await store.features.import_all(MANY, into_empty=True) == ImportResult()
    assert await listed(store) == [known]
    assert await store.features.import_all(MANY[1:]) == ImportResult(added=2_499)  # nothing is locked


async def test_of_imports_into_an_empty_store_at_the_same_time_one_is_done(store: Storage) -> None:
    """Each of them began while there was nothing."""
    seeds = [[Feature(name, Point(number, each)) for each in range(100)] for number, name in enumerate("abc")]
    results = await asyncio.gather(*(store.features.import_all(seed, into_empty=True) for seed in seeds))
    assert sorted(result.added for result in results) == [0, 0, 100]
    assert await listed(store) == seeds[[result.added for result in results].index(100)]


@pytest.mark.parametrize("backend", DURABLE)
async def test_features_outlive_the_process_that_imported_them(open_store: OpenStore) -> None:
    async with open_store() as first:
        await first.features.import_all(MANY)
    async with open_store() as second:
        assert await listed(second) == MANY
