"""Points, rectangles, features, notes and summaries.

All are immutable. A `Point` that exists lies on the globe, so no floor below the server has to
check one again. Coordinates are integers in E7: degrees multiplied by 10⁷.
"""

from dataclasses import dataclass
from typing import ClassVar

from routeguide.errors import FieldViolation, InvalidInput

MAX_LATITUDE = 900_000_000
"""90 degrees in E7; latitudes lie within ± this."""
MAX_LONGITUDE = 1_800_000_000
"""180 degrees in E7; longitudes lie within ± this."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """A location on the globe, in E7 degrees.

    Raises:
        InvalidInput: a coordinate lies beyond the globe; every one at fault is named.
    """

    latitude: int
    longitude: int

    def __post_init__(self) -> None:
        if (
            -MAX_LATITUDE <= self.latitude <= MAX_LATITUDE
            and -MAX_LONGITUDE <= self.longitude <= MAX_LONGITUDE
        ):
            return
        violations = []
        if abs(self.latitude) > MAX_LATITUDE:
            violations.append(_beyond("latitude", self.latitude, MAX_LATITUDE))
        if abs(self.longitude) > MAX_LONGITUDE:
            violations.append(_beyond("longitude", self.longitude, MAX_LONGITUDE))
        raise InvalidInput(violations)

    def __str__(self) -> str:
        return f"{self.latitude},{self.longitude}"


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle of latitude and longitude, bounds inclusive, that never wraps the antimeridian.

    Build one with `between`, which puts the corners in order.
    """

    south: int
    west: int
    north: int
    east: int

    GLOBE: ClassVar["Rectangle"]

    @classmethod
    def between(cls, latitude: int, longitude: int, latitude2: int, longitude2: int) -> "Rectangle":
        """The rectangle between two opposite corners, given in any order, in E7 degrees.

        Corners beyond the globe are clamped to it, not refused: clients ask for everything by
        naming corners that are far out.
        """
        south, north = sorted((_clamp(latitude, MAX_LATITUDE), _clamp(latitude2, MAX_LATITUDE)))
        west, east = sorted((_clamp(longitude, MAX_LONGITUDE), _clamp(longitude2, MAX_LONGITUDE)))
        return cls(south, west, north, east)

    def __contains__(self, location: Point) -> bool:
        return self.south <= location.latitude <= self.north and self.west <= location.longitude <= self.east


Rectangle.GLOBE = Rectangle(-MAX_LATITUDE, -MAX_LONGITUDE, MAX_LATITUDE, MAX_LONGITUDE)


@dataclass(frozen=True, slots=True)
class Feature:
    """Something at a location. The name is empty where it has none."""

    name: str
    location: Point


@dataclass(frozen=True, slots=True)
class RouteNote:
    """A message left at a location."""

    location: Point
    message: str


@dataclass(frozen=True, slots=True)
class RouteSummary:
    """What a travelled route amounts to."""

    point_count: int
    feature_count: int
    """Points that lie exactly on a feature, counted each time."""
    distance: int
    """Metres, truncated once at the end."""
    elapsed_time: int
    """Whole seconds."""


def _clamp(value: int, bound: int) -> int:
    return max(-bound, min(bound, value))


def _beyond(name: str, value: int, bound: int) -> FieldViolation:
    return FieldViolation(name, f"{value} is outside -{bound}..{bound} (degrees * 10^7)")
