"""What reaches the screen."""

import pytest

from routeguide.cli.output import place, printable
from routeguide.cli.points import parse_point
from routeguide.domain.models import Point


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hasta la vista, ñandú 🦤", "Hasta la vista, ñandú 🦤"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("one\ntwo", r"one\ntwo"),
        ("\u202eright to left", r"\u202eright to left"),
    ],
)
def test_text_of_others_cannot_steer_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("point", [Point(409146138, -746188906), Point(1, -1), Point(-900000000, 1800000000)])
def test_a_place_reads_back_as_the_same_point(point: Point) -> None:
    assert parse_point(place(point)) == point
