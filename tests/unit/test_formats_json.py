"""What upstream's JSON may and may not hold, and where errors in it are found."""

from collections.abc import Iterator
from io import BytesIO

import pytest

from routeguide.domain.models import Feature, Point
from routeguide.errors import FeatureFileError
from routeguide.formats.problems import MOST_LISTED
from routeguide.formats.reading import Format
from routeguide.formats.values import LONGEST_NAME
from tests.support.feature_files import read_all

GOOD = '{"location": {"latitude": 1, "longitude": 2}, "name": "a"}'


def read(text: str | bytes, kind: Format = Format.JSON) -> list[Feature]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_all(BytesIO(data), kind))


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


@pytest.mark.parametrize(
    "location", ['{"latitude": 900000001, "longitude": 1800000001}', '{"latitude": 1.5, "longitude": "x"}']
)
def test_both_coordinates_are_reported(location: str) -> None:
    (found,) = problems(f'[{{"location": {location}}}]')

    assert "location.latitude: " in found
    assert "; location.longitude: " in found


NESTED = "[" * 33 + "]" * 33
NESTED_IN_OBJECT = f'{{"a": {NESTED}, "b": "c"}}'
LARGE = f"[{'[1, 2], ' * 200_000}[1, 2]]"


@pytest.mark.parametrize(
    "record",
    [NESTED, NESTED_IN_OBJECT, LARGE, f'{{"name": {LARGE}, "more": {LARGE}}}'],
    ids=["nested", "nested in an object", "large", "large in an object"],
)
def test_a_record_larger_than_any_feature_is_one_problem_among_others(record: str) -> None:
    assert problems(f"[{GOOD}, {record}, {GOOD}, {{}}]") == (
        "feature 2: is larger or nested deeper than any feature",
        "feature 4: location: is missing",
    )


@pytest.mark.parametrize(
    "value",
    ["1", NESTED, NESTED_IN_OBJECT, LARGE],
    ids=["number", "nested", "nested in an object", "large"],
)
def test_other_members_are_passed_over_whatever_their_size(value: str) -> None:
    assert read(f'{{"before": {value}, "feature": [{GOOD}], "after": {value}}}') == read(f"[{GOOD}]")


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
        ("[" * 100_000, "line 1: the file ends before its JSON does"),
        ('{"other": ' + '{"a":' * 100_000, "line 1: the file ends before its JSON does"),
        ('["' + "x" * 1_300_000 + '"]', "line 1: a single text of more than 1048576 bytes"),
        ('\n{"other": [0, "' + "x" * 1_300_000 + '"]}', "line 2: a single text of more than 1048576 bytes"),
        ("5", "there is no list of features called 'feature' or 'features'"),
        ("{}", "there is no list of features called 'feature' or 'features'"),
        (f'{{"Feature": [{GOOD}]}}', "there is no list of features called 'feature' or 'features'"),
        ('{"feature": {}}', '"feature" is no list'),
        ('{"feature": [], "features": []}', '"features" is not the only list of features'),
    ],
    ids=lambda value: str(value)[:40],
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
            yield from read_all(BytesIO(f"[{GOOD}, {{}}, {GOOD}]".encode()), Format.JSON)

    assert list(received()) == [Feature("a", Point(1, 2))]


def test_a_bare_list_is_no_geojson() -> None:
    (problem,) = problems(f"[{GOOD}]", Format.GEOJSON)

    assert problem == "the file is a bare list: put it into an object, as the member 'features'"


def test_a_bare_list_of_geojson_features_is_told_once() -> None:
    feature = '{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {}}'

    (problem,) = problems(f"[{feature}, {feature}]")

    assert problem.startswith("this is a list of GeoJSON features: put it into an object, {")


@pytest.mark.parametrize("kind", [Format.JSON, Format.GEOJSON])
def test_json_lines_are_told_from_broken_json(kind: Format) -> None:
    (problem,) = problems(f"{GOOD}\n{GOOD}\n", kind)

    assert problem.startswith("the file goes on after its first object; if it is JSON Lines,")
