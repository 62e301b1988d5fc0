"""What upstream's JSON may and may not hold, and where errors in it are found."""

from collections.abc import Iterator
from io import BytesIO

import pytest

from routeguide.domain.models import Feature, Point
from routeguide.errors import FeatureFileError
from routeguide.formats.problems import MOST_LISTED
from routeguide.formats.reading import Format, read_features
from routeguide.formats.values import LONGEST_NAME

GOOD = '{"location": {"latitude": 1, "longitude": 2}, "name": "a"}'


def read(text: str | bytes, kind: Format = Format.JSON) -> list[Feature]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_features(BytesIO(data), kind, name="file"))


def problems(text: str | bytes, kind: Format = Format.JSON) -> tuple[str, ...]:
    with pytest.raises(FeatureFileError) as caught:
        read(text, kind)
    return caught.value.problems


@pytest.mark.parametrize(
    ("record", "feature"),
    [
        ('{"location": {}}', Feature("", Point(0, 0))),
        ('{"location": {"longitude": -5}, "name": ""}', Feature("", Point(0, -5))),
        ('{"name": "after", "location": {"latitude": 5}}', Feature("after", Point(5, 0))),
        (
            '{"location": {"latitude": 900000000, "longitude": -1800000000}}',
            Feature("", Point(900000000, -1800000000)),
        ),
    ],
)
def test_what_proto3_leaves_out_is_zero_or_empty(record: str, feature: Feature) -> None:
    assert read(f"[{record}]") == [feature]


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ("7", "7 is not an object"),
        ("null", "null is not an object"),
        ("[]", "a list is not an object"),
        ("{}", "location: is missing"),
        ('{"location": null}', "location: null is not an object"),
        ('{"location": {"latitude": 1.0}}', "location.latitude: 1.0 is not a whole number"),
        ('{"location": {"latitude": "1"}}', "location.latitude: '1' is not a whole number"),
        ('{"location": {"latitude": true}}', "location.latitude: true is not a whole number"),
        ('{"location": {"latitude": null}}', "location.latitude: null is not a whole number"),
        ('{"location": {"latitude": 1e3}}', "location.latitude: 1000.0 is not a whole number"),
        ('{"location": {"latitude": 900000001}}', "location.latitude: 900000001 is outside"),
        ('{"location": {"longitude": -1800000001}}', "location.longitude: -1800000001 is outside"),
        (
            '{"location": {"latitude": 9223372036854775807}}',
            "location.latitude: 9223372036854775807 is outside",
        ),
        ('{"location": {"lattitude": 1}}', "location: there is no such key as 'lattitude'"),
        ('{"location": {}, "title": "x"}', "there is no such key as 'title'"),
        ('{"location": {}, "name": 5}', "name: 5 is not text"),
        ('{"location": {}, "name": null}', "name: null is not text"),
        ('{"location": {}, "name": "a", "name": "b"}', "name: a value given more than once is not text"),
        ('{"location": {}, "location": {}}', "location: a value given more than once is not an object"),
        (
            f'{{"location": {{}}, "name": "{"ü" * LONGEST_NAME}"}}',
            f"name: {2 * LONGEST_NAME} bytes of UTF-8 exceed",
        ),
    ],
)
def test_a_record_that_is_no_feature_is_reported_by_its_number(record: str, problem: str) -> None:
    (found,) = problems(f"[{GOOD}, {record}]")

    assert found.startswith(f"feature 2: {problem}")


def test_both_coordinates_are_reported() -> None:
    (found,) = problems('[{"location": {"latitude": 900000001, "longitude": 1800000001}}]')

    assert "latitude" in found
    assert "longitude" in found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: the file ends before its JSON does"),
        ("\n\n", "line 3: the file ends before its JSON does"),
        (f"[{GOOD},\n", "line 2: the file ends before its JSON does"),
        (f"[{GOOD}\n}}", "line 2, column 1: not valid JSON in UTF-8, or a number too large"),
        (f"[{GOOD},]", f"line 1, column {len(GOOD) + 3}: not valid JSON in UTF-8, or a number too large"),
        (f"[{GOOD}]\n\n []", "line 3, column 2: not valid JSON in UTF-8, or a number too large"),
        ("[NaN]", "line 1, column 2: not valid JSON in UTF-8, or a number too large"),
        ("[\n1e400]", "line 2, column 6: not valid JSON in UTF-8, or a number too large"),
        ("[" + "1" * 5000 + "]", "line 1, column 5002: not valid JSON in UTF-8, or a number too large"),
        (b'["\xff"]', "line 1, column 3: not valid JSON in UTF-8, or a number too large"),
        (GOOD.encode("utf-16"), "line 1, column 1: not valid JSON in UTF-8, or a number too large"),
        ("[" * 100_000, "a value is nested deeper than 32 levels"),
        ('{"other": ' + '{"a":' * 100_000, "a value is nested deeper than 32 levels"),
        ("5", "there is no list of features called 'feature' or 'features'"),
        ("{}", "there is no list of features called 'feature' or 'features'"),
        (f'{{"Feature": [{GOOD}]}}', "there is no list of features called 'feature' or 'features'"),
        ('{"feature": {}}', '"feature" is no list'),
        ('{"feature": [], "features": []}', '"features" is not the only list of features'),
    ],
)
def test_what_breaks_the_document_is_reported_with_its_position(text: str | bytes, problem: str) -> None:
    assert problems(text)[-1] == problem


@pytest.mark.parametrize("padding", [65_000, 65_536, 200_000])
def test_the_position_is_exact_in_files_of_many_chunks(padding: int) -> None:
    text = "[\n" + f"{GOOD},\n" * 3 + " " * padding + "\n  oops]"

    assert problems(text) == ("line 6, column 3: not valid JSON in UTF-8, or a number too large",)


def test_every_problem_is_reported_up_to_a_hundred() -> None:
    with pytest.raises(FeatureFileError) as caught:
        read(f"[{GOOD}" + ",{}" * (MOST_LISTED + 7) + "]")

    assert caught.value.summary == f"file: nothing was imported because of {MOST_LISTED + 7} problems:"
    assert len(caught.value.problems) == MOST_LISTED + 1
    assert caught.value.problems[-2:] == (f"feature {MOST_LISTED + 1}: location: is missing", "and 7 more")


def test_broken_syntax_is_reported_beside_a_hundred_problems() -> None:
    found = problems("[{}" + ",{}" * (MOST_LISTED + 7) + ",")

    assert found[-1] == "line 1: the file ends before its JSON does"


def test_nothing_is_yielded_after_the_first_problem() -> None:
    def received() -> Iterator[Feature]:
        with pytest.raises(FeatureFileError):
            yield from read_features(BytesIO(f"[{GOOD}, {{}}, {GOOD}]".encode()), Format.JSON, name="file")

    assert list(received()) == [Feature("a", Point(1, 2))]


def test_upstream_is_no_geojson() -> None:
    assert problems(f"[{GOOD}]", Format.GEOJSON) == ("there is no list of features called 'features'",)
