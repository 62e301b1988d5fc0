"""A spatial index that fits in a page.

Points are cut into about √n strips of latitude with equally many points each, and every strip is sorted by
longitude. A query looks at the strips that its latitudes touch and bisects each: about √n steps plus the
answer, however the points are spread. This is the packing of Leutenegger, Lopez and Edgington, "STR: A Simple
and Efficient Algorithm for R-Tree Packing" (1997), with its tree left away.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isqrt

from routeguide.domain.models import Point, Rectangle

_SMALLEST_STRIP = 32


@dataclass(frozen=True, slots=True)
class _Strip:
    """Points between two latitudes, as columns sorted by longitude."""

    south: int
    north: int
    latitudes: "array[int]"
    longitudes: "array[int]"
    positions: "array[int]"

    def within(self, rectangle: Rectangle) -> Iterator[int]:
        start = bisect_left(self.longitudes, rectangle.west)
        end = bisect_right(self.longitudes, rectangle.east, lo=start)
        for index in range(start, end):
            if rectangle.south <= self.latitudes[index] <= rectangle.north:
                yield self.positions[index]


class StripIndex:
    """Finds which of a fixed sequence of points lie inside a rectangle."""

    def __init__(self, points: Sequence[Point]) -> None:
        by_latitude = sorted(range(len(points)), key=lambda position: points[position].latitude)
        size = max(_SMALLEST_STRIP, isqrt(len(points)))
        self._strips = [
            _pack(points, by_latitude[start : start + size]) for start in range(0, len(points), size)
        ]

    def within(self, rectangle: Rectangle, *, limit: int) -> list[int] | None:
        """Positions of the points inside `rectangle`, ascending; None where there are more than `limit`."""
        found: list[int] = []
        for strip in self._strips:
            if strip.south <= rectangle.north and rectangle.south <= strip.north:
                found.extend(strip.within(rectangle))
                if len(found) > limit:
                    return None
        return sorted(found)


def _pack(points: Sequence[Point], positions: list[int]) -> _Strip:
    south, north = points[positions[0]].latitude, points[positions[-1]].latitude
    positions.sort(key=lambda position: points[position].longitude)
    return _Strip(
        south,
        north,
        array("i", (points[position].latitude for position in positions)),
        array("i", (points[position].longitude for position in positions)),
        array("q", positions),
    )
