"""Values as they come out of a file, checked one by one.

Every function raises InvalidInput, which names the field, the value and what it should have been.
"""

from collections.abc import Callable, Container, Iterable
from functools import partial
from typing import NoReturn, TypeVar

from routeguide.domain.models import MAX_LATITUDE, MAX_LONGITUDE, Point
from routeguide.errors import FieldViolation, InvalidInput

LONGEST_NAME = 4096
"""Bytes of UTF-8. A feature has to fit into one message of every client, and a page into memory."""

_UNITS_PER_DEGREE = 10_000_000

_T = TypeVar("_T")


class Repeated:
    """Stands for the values of a key that an object has more than once: none of them can be trusted."""


def as_object(value: object, field: str) -> dict[str, object]:
    """`value` as a JSON object."""
    if not isinstance(value, dict):
        refuse(field, value, "an object")
    return value


def refuse_unknown(keys: Iterable[str], field: str, known: Container[str]) -> None:
    """Refuses any key but the `known` ones: it is probably a misspelt one."""
    for key in keys:
        if key not in known:
            raise InvalidInput([FieldViolation(field, f"there is no such key as {shown(key)}")])


def as_name(value: object, field: str) -> str:
    """`value` as the name of a feature."""
    if not isinstance(value, str):
        refuse(field, value, "text")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidInput([FieldViolation(field, "the bytes are no UTF-8")]) from None
    if size > LONGEST_NAME:
        description = f"{size} bytes of UTF-8 exceed the limit of {LONGEST_NAME}"
        raise InvalidInput([FieldViolation(field, description)])
    return value


def as_whole_number(value: object, field: str) -> int:
    """`value` as an integer; neither 1.0 nor "1" nor true is one."""
    if not isinstance(value, int) or isinstance(value, bool):
        refuse(field, value, "a whole number (degrees × 10⁷)")
    return value


def as_point(latitude: object, longitude: object) -> Point:
    """The point at two numbers of degrees, rounded to the nearest E7, ties to even.

    Exact for every number with up to seven decimals.
    """
    return Point(
        *gathered(
            partial(_as_e7, latitude, "latitude", MAX_LATITUDE // _UNITS_PER_DEGREE),
            partial(_as_e7, longitude, "longitude", MAX_LONGITUDE // _UNITS_PER_DEGREE),
        )
    )


def gathered(*checks: Callable[[], _T]) -> list[_T]:
    """The results of `checks`, or an InvalidInput with all that any of them finds wrong."""
    results: list[_T] = []
    violations: list[FieldViolation] = []
    for check in checks:
        try:
            results.append(check())
        except InvalidInput as error:
            violations += error.violations
    if violations:
        raise InvalidInput(violations)
    return results


def to_degrees(e7: int) -> float:
    """Degrees, whose shortest spelling has at most seven decimals and reads back as exactly `e7`."""
    return e7 / _UNITS_PER_DEGREE


def refuse(field: str, value: object, expected: str) -> NoReturn:
    """Raises InvalidInput: `value` is not what was `expected`."""
    raise InvalidInput([FieldViolation(field, f"{shown(value)} is not {expected}")])


def shown(value: object) -> str:
    """A value from a file as words that fit on a line."""
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case Repeated():
            return "a value given more than once"
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[value]
        case _:
            text = ascii(value) if isinstance(value, str) else str(value)
            return text if len(text) <= 60 else f"{text[:60]}…"


def _as_e7(value: object, field: str, bound: int) -> int:
    if not isinstance(value, int | float) or isinstance(value, bool):
        refuse(field, value, "a number of degrees")
    if not -bound <= value <= bound:  # written so that NaN is refused, too
        raise InvalidInput([FieldViolation(field, f"{shown(value)} is outside ±{bound} degrees")])
    return round(value * _UNITS_PER_DEGREE)
