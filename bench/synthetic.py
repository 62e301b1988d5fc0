"""Features in any number, the same ones every time, a hundred of them where the bench looks for them."""

import random
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path

from routeguide.domain.models import MAX_LATITUDE, MAX_LONGITUDE, Feature, Point, Rectangle
from routeguide.formats.reading import Format
from routeguide.formats.writing import feature_writer

HUNDRED = Rectangle.between(0, 0, 9_000, 9_000)
"""A rectangle that holds exactly 100 features, however many there are elsewhere."""

_SEED = 20_000


def features(count: int) -> Iterator[Feature]:
    """`count` features, a hundred of them in `HUNDRED` and spread over the whole order of import.

    Raises:
        ValueError: `count` is no multiple of 100.
    """
    return map(_feature, _points(count))


@cache  # a million features take seconds to make
def locations(wanted: int, of: int) -> Sequence[Point]:
    """Locations of `wanted` of the features among `of`, evenly spread over the order of import."""
    return tuple(islice(_points(of), 0, of, of // wanted))[:wanted]


def write(folder: Path, count: int) -> Path:
    """The file of `count` features in `folder`, as upstream's JSON; written unless it is there."""
    path = folder / f"{count}.json"
    if path.exists():
        return path
    with path.open("w", encoding="utf-8", newline="") as out, feature_writer(out, Format.JSON) as add:
        add(features(count))
    return path


def _points(count: int) -> Iterator[Point]:
    if count % 100:
        raise ValueError(f"{count} is no multiple of 100")
    elsewhere = _elsewhere()
    for block in range(100):
        yield Point(block // 10 * 1_000, block % 10 * 1_000)
        yield from islice(elsewhere, count // 100 - 1)


def _elsewhere() -> Iterator[Point]:
    """Points all over the globe but in `HUNDRED`, none of them twice."""
    chance = random.Random(_SEED)  # noqa: S311  # has to repeat, not to surprise
    seen: set[Point] = set()
    while True:
        point = Point(
            chance.randint(-MAX_LATITUDE, MAX_LATITUDE), chance.randint(-MAX_LONGITUDE, MAX_LONGITUDE)
        )
        if point not in HUNDRED and point not in seen:
            seen.add(point)
            yield point


def _feature(location: Point) -> Feature:
    return Feature(f"Place at {location.latitude} {location.longitude}, NJ, USA", location)
