"""Distances on the globe: pure functions, E7 degrees in, metres out."""

from math import asin, cos, radians, sin, sqrt

from routeguide.domain.models import Point

EARTH_RADIUS = 6_371_000
"""Metres: the mean radius that gRPC's own route guide uses in every language."""

_DEGREES_PER_UNIT = 1e-7


def great_circle_distance(start: Point, end: Point) -> float:
    """Metres between two points along the surface, by the haversine formula.

    The term is clamped to [0, 1]: rounding lifts it above 1 for about 4 % of exactly antipodal
    pairs, whose square root would leave the domain of the arc sine.

    Source: R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984), 159.
    """
    latitude1 = radians(start.latitude * _DEGREES_PER_UNIT)
    latitude2 = radians(end.latitude * _DEGREES_PER_UNIT)
    half_latitude = (latitude2 - latitude1) / 2
    half_longitude = radians((end.longitude - start.longitude) * _DEGREES_PER_UNIT) / 2
    term = sin(half_latitude) ** 2 + cos(latitude1) * cos(latitude2) * sin(half_longitude) ** 2
    return 2 * EARTH_RADIUS * asin(sqrt(min(1.0, term)))
