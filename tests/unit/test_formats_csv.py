"""What CSV may and may not hold."""

from io import BytesIO

import pytest

from routeguide.domain.models import Feature, Point
from routeguide.errors import FeatureFileError
from routeguide.formats.reading import Format
from tests.support.feature_files import read_all

HEADER = "latitude,longitude,name\r\n"


def read(text: str | bytes) -> list[Feature]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_all(BytesIO(data), Format.CSV))


def problems(text: str | bytes) -> tuple[str, ...]:
    with pytest.raises(FeatureFileError) as caught:
        read(text)
    return caught.value.problems


@pytest.mark.parametrize(
    "text",
    [
        "latitude,longitude,name\n40.7838351,-74.6143763,Here\n",
        "latitude_e7,longitude_e7,name\n407838351,-746143763,Here",
        "name,longitude,latitude\r\nHere,-74.6143763,+40.7838351\r\n\r\n",
        '"name","longitude_e7","latitude_e7"\n"Here","-746143763","407838351"\n',
    ],
)
def test_the_header_tells_columns_and_unit(text: str) -> None:
    assert read(text) == [Feature("Here", Point(407838351, -746143763))]


def test_the_name_may_be_absent() -> None:
    assert read("latitude,longitude\n1,2\n") == [Feature("", Point(10000000, 20000000))]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1,2", "has 2 cells where the header has 3"),
        ("1,2,a,b", "has 4 cells where the header has 3"),
        ("x,2,a", "latitude: 'x' is not a number of degrees"),
        (",2,a", "latitude: '' is not a number of degrees"),
        ("1, 2,a", "longitude: ' 2' is not a number of degrees"),
        ("nan,2,a", "latitude: 'nan' is not a number of degrees"),
        ("1,inf,a", "longitude: 'inf' is not a number of degrees"),
        ("1e1,2,a", "latitude: '1e1' is not a number of degrees"),
        ("1_0,2,a", "latitude: '1_0' is not a number of degrees"),
        ("٤,2,a", "latitude: '\\u0664' is not a number of degrees"),
        ("407838351,-746143763,a", "latitude: '407838351' is not a number of degrees"),
        ("90.0000001,2,a", "latitude: 90.0000001 is outside ±90 degrees"),
        ("1,-181,a", "longitude: -181.0 is outside ±180 degrees"),
        ("x,200,a", "latitude: 'x' is not a number of degrees"),
        ('1,2,"a"b', "is no row of RFC 4180 (quotes or line ends)"),
        ('1,2,"a', "is no row of RFC 4180 (quotes or line ends)"),
        ("1,2,a\rb", "is no row of RFC 4180 (quotes or line ends)"),
        (
            f'1,2,"{"a" * 60_000}\n{"b" * 60_000}\n{"c" * 60_000}"',
            "is no row of RFC 4180 (quotes or line ends)",
        ),
    ],
)
def test_a_row_that_is_no_feature_is_reported_by_its_line(row: str, problem: str) -> None:
    (found,) = problems(f'{HEADER}1,2,"of two\nlines"\n\n{row}')

    assert found.startswith(f"line 5: {problem}")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1.5,2", "latitude_e7: '1.5' is not a whole number"),
        ("1,1800000001", "longitude_e7: 1800000001 is outside"),
    ],
)
def test_integers_are_checked_as_well(row: str, problem: str) -> None:
    (found,) = problems(f"latitude_e7,longitude_e7\n{row}\n")

    assert found.startswith(f"line 2: {problem}")


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("latitude,longitude", "x,"),
        ("latitude,longitude", "90.1,180.1"),
        ("latitude_e7,longitude_e7", "1.5,y"),
        ("latitude_e7,longitude_e7", "900000001,1800000001"),
    ],
)
def test_both_coordinates_are_reported_by_their_columns(header: str, row: str) -> None:
    (found,) = problems(f"{header}\n{row}\n")

    assert [each.split(": ")[-2] for each in found.split("; ")] == header.split(",")


def test_lines_that_are_no_utf_8_are_reported_one_by_one() -> None:
    text = HEADER.encode() + b"1,2,caf\xe9\n1,2,caf\xc3\xa9\n1,\xff,a\n"

    assert problems(text) == (
        "line 2: name: the bytes are no UTF-8",
        "line 4: longitude: '\\udcff' is not a number of degrees such as 40.7838351",
    )


@pytest.mark.parametrize(
    "header",
    [
        "",
        "\n",
        "latitude",
        "lat,lon,name",
        "latitude,longitude_e7",
        "latitude,latitude,longitude",
        "latitude,longitude,nmae",
        '"x',
    ],
)
def test_another_header_is_refused(header: str) -> None:
    (found,) = problems(f"{header}\n1,2,a\n" if header else "")

    assert found.startswith("line 1: the header must be latitude,longitude,name or")


def test_utf_16_is_refused() -> None:
    assert problems(f"{HEADER}1,2,a\n".encode("utf-16"))[0].startswith("line 1: the header must be")


def test_a_file_without_line_ends_does_not_fill_the_memory() -> None:
    assert problems(f"{HEADER}1,2,{'a' * 70_000}") == ("line 2: is longer than 65536 bytes",)
