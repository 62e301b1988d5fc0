"""Points on the command line: ``LAT,LON``."""

import re
from decimal import Decimal
from typing import Any

import click

from routeguide.domain.models import Point
from routeguide.errors import FieldViolation, InvalidInput

_NUMBER = r"[+-]?(?:\d{1,12}(?:\.\d{0,20})?|\.\d{1,20})"
_PAIR = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*", re.ASCII)
_NEGATIVE = re.compile(r"-[\d.]")

GRAMMAR = (
    "Points are LAT,LON: in decimal degrees if either number has a decimal point (40.9146138,-74.6188906 or"
    " -33.8,151.0), and otherwise in degrees × 10⁷, as on the wire (409146138,-746188906)."
)
"""For the help of every command that takes points."""

_EXPLAINED = f"{__name__}.explained"
"""Under which a command notes that the difference has been explained: once is enough for a hundred points."""


def parse_coordinates(text: str) -> tuple[int, int]:
    """Latitude and longitude in E7, which may lie beyond the globe.

    Raises:
        InvalidInput: it is no pair of numbers.
    """
    match = _PAIR.fullmatch(text)
    if match is None:
        description = f"{text.strip()!r} is not LAT,LON, such as 409146138,-746188906 or 40.9,-74.6"
        raise InvalidInput([FieldViolation("", description)])
    exponent = 7 if "." in text else 0
    return _scaled(match[1], exponent), _scaled(match[2], exponent)


def parse_point(text: str) -> Point:
    """Raises InvalidInput: it is no pair of numbers, or beyond the globe."""
    return Point(*parse_coordinates(text))


class PointType(click.ParamType[Point]):
    """An argument that is a point on the globe."""

    name = "LAT,LON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Point:
        try:
            return value if isinstance(value, Point) else Point(*_coordinates(value, ctx))
        except InvalidInput as error:
            self.fail(str(error), param, ctx)


class CornerType(click.ParamType[tuple[int, int]]):
    """An argument that is the corner of a rectangle, in E7; it may lie beyond the globe."""

    name = "LAT,LON"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        try:
            return value if isinstance(value, tuple) else _coordinates(value, ctx)
        except InvalidInput as error:
            self.fail(str(error), param, ctx)


class PointsCommand(click.Command):
    """A command whose arguments may begin with a minus without being options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts a space, which the grammar of points allows, before what would pass for an option."""
        return super().parse_args(ctx, [f" {each}" if _NEGATIVE.match(each) else each for each in args])


def _coordinates(text: str, context: click.Context | None) -> tuple[int, int]:
    """Those of an argument. Whole numbers that could be degrees are E7 all the same, as stderr then says."""
    latitude, longitude = parse_coordinates(text)
    could_be_degrees = "." not in text and abs(latitude) <= 90 and abs(longitude) <= 180
    if could_be_degrees and (latitude or longitude) and context and not context.meta.get(_EXPLAINED):
        context.meta[_EXPLAINED] = True
        click.echo(
            f"{text.strip()} was read as degrees × 10⁷; degrees are written {latitude}.0,{longitude}.0",
            err=True,
        )
    return latitude, longitude


def _scaled(number: str, exponent: int) -> int:
    return int(Decimal(number).scaleb(exponent).to_integral_value())
