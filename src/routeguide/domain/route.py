"""A route that is being travelled."""

from routeguide.domain.geo import great_circle_distance
from routeguide.domain.models import Point


class Route:
    """Adds up consecutive points without keeping them."""

    def __init__(self) -> None:
        self.point_count = 0
        self.distance = 0.0
        """Metres, not yet truncated: truncating each leg would lose up to a metre a leg."""
        self._last: Point | None = None

    def visit(self, point: Point) -> None:
        if self._last is not None:
            self.distance += great_circle_distance(self._last, point)
        self._last = point
        self.point_count += 1
