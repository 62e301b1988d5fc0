"""A million features cost hardly more than a hundred: over the wire, in processes of their own."""

import pytest

from bench.scale import MANY, measure
from tests.support.skipping import skipping_where_unavailable

MOST_TIMES_AS_LONG = 1.5
"""What GetFeature, and a ListFeatures of a hundred features, may take among a million features, as a multiple
of what they take among a hundred: of the client's time, and of what the server works."""

MOST_MEGABYTES = 300
"""Resident memory of a server with a million features in SQLite, and of their import and their export."""


@pytest.mark.soak  # two minutes, most of it the import of the million
@pytest.mark.timeout(300)
async def test_a_million_features_are_served_like_a_hundred() -> None:
    result = await measure(rounds=10)

    ratios = result.ratios()
    assert max(ratios.values()) <= MOST_TIMES_AS_LONG, ratios
    assert result.megabytes["sqlite", MANY] < MOST_MEGABYTES
    assert result.imported["sqlite"].megabytes < MOST_MEGABYTES
    assert result.exported["sqlite"].megabytes < MOST_MEGABYTES


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_a_million_features_in_postgresql_are_served_like_a_hundred() -> None:
    with skipping_where_unavailable():
        result = await measure(rounds=10, backends=("postgres",))

    ratios = result.ratios()
    assert max(ratios.values()) <= MOST_TIMES_AS_LONG, ratios
    assert result.imported["postgres"].seconds < 60
    costs = (*result.imported.values(), *result.exported.values())
    assert max(cost.megabytes for cost in costs) < MOST_MEGABYTES
