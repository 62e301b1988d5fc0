"""Points on the command line."""

import click
import pytest
from click.testing import CliRunner

from routeguide.cli.points import CornerType, PointsCommand, PointType, parse_coordinates, parse_point
from routeguide.domain.models import Point
from routeguide.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("409146138,-746188906", Point(409146138, -746188906)),
        ("40.9146138,-74.6188906", Point(409146138, -746188906)),
        ("-33.8,151.0", Point(-338000000, 1510000000)),
        ("0,0", Point(0, 0)),
        (" 1 , 2 ", Point(1, 2)),
        ("+1,-2", Point(1, -2)),
        (".5,-.5", Point(5000000, -5000000)),
        ("1.,2", Point(10000000, 20000000)),
        ("90.0,180.0", Point(900000000, 1800000000)),
    ],
)
def test_points_are_degrees_with_a_decimal_point_and_e7_without(text: str, point: Point) -> None:
    assert parse_point(text) == point


def test_a_decimal_point_in_either_number_makes_both_degrees() -> None:
    assert parse_point("40,-74.5") == Point(400000000, -745000000)


def test_digits_beyond_the_seventh_are_rounded() -> None:
    assert parse_coordinates("0.00000014999,-0.00000015001") == (1, -2)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1,", ",1", "1,2,3", "1;2", "x,y", "1e3,0", "nan,0", "٣,٤", "1" * 5000 + ",0"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not LAT,LON"):
        parse_point(text)


def test_a_point_beyond_the_globe_is_refused_and_a_corner_is_not() -> None:
    with pytest.raises(InvalidInput, match="900000001"):
        parse_point("900000001,0")

    assert parse_coordinates("999999999999,-999.0") == (9999999999990000000, -9990000000)


@click.command(cls=PointsCommand)
@click.argument("point", type=PointType())
@click.argument("corners", type=CornerType(), nargs=-1)
def echo(point: Point, corners: tuple[tuple[int, int], ...]) -> None:
    click.echo(f"{point} {corners}")


def test_whole_numbers_that_could_be_degrees_are_explained_once() -> None:
    result = CliRunner().invoke(echo, ["40,-74", "41,-75", "-90,180"])

    assert (result.exit_code, result.stdout) == (0, "40,-74 ((41, -75), (-90, 180))\n")
    assert result.stderr == "40,-74 was read as degrees × 10⁷; degrees are written 40.0,-74.0\n"


@pytest.mark.parametrize("text", ["0,0", "40.0,-74", "91,0", "0,-181", "409146138,-746188906"])
def test_others_are_not(text: str) -> None:
    result = CliRunner().invoke(echo, [text, text])

    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("dashes", [[], ["--"]])
def test_negative_points_are_no_options(dashes: list[str]) -> None:
    @click.command(cls=PointsCommand)
    @click.argument("point", type=PointType())
    @click.argument("corner", type=CornerType())
    @click.option("--at", type=PointType())
    def command(point: Point, corner: tuple[int, int], at: Point | None) -> None:
        click.echo(f"{point} {corner} {at}")

    result = CliRunner().invoke(command, ["--at", "-1,-2", *dashes, "-3,-4", "-.5,6"])

    assert result.stdout == "-3,-4 (-5000000, 60000000) -1,-2\n"


def test_a_misspelt_option_is_told_as_such() -> None:
    @click.command(cls=PointsCommand)
    @click.argument("point", type=PointType())
    def command(point: Point) -> None:
        raise AssertionError(point)

    result = CliRunner().invoke(command, ["0,0", "--fromat"])

    assert result.exit_code == 2
    assert "No such option '--fromat'" in result.output
