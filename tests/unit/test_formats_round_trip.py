"""Whatever is written reads back as the same, in every format."""

from collections.abc import Sequence
from io import BytesIO, StringIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from routeguide.domain.models import MAX_LATITUDE, MAX_LONGITUDE, Feature, Point
from routeguide.formats.reading import Format
from routeguide.formats.writing import feature_writer
from tests.support.feature_files import read_all

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# Everything that UTF-8 can hold, NUL and line ends included.
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
points = st.builds(
    Point, st.integers(-MAX_LATITUDE, MAX_LATITUDE), st.integers(-MAX_LONGITUDE, MAX_LONGITUDE)
)
features = st.lists(st.builds(Feature, names, points), max_size=5)

AWKWARD = [
    Feature(name, Point(index, -index))
    for index, name in enumerate(
        [
            "",
            '"',
            '"a"',
            "a,b",
            "a\nb",
            "a\rb",
            "a\r\nb",
            " a ",
            "\0",
            "=cmd()",
            "\ufeff",
            "🗽",
            "\u2028",
            "\\",
            "\x85",
        ]
    )
]
CORNERS = [
    Feature("", Point(latitude, longitude))
    for latitude in (-MAX_LATITUDE, -1, 0, 1, MAX_LATITUDE)
    for longitude in (-MAX_LONGITUDE, -1, 0, 1, MAX_LONGITUDE)
]


def written(given: Sequence[Feature], kind: Format) -> bytes:
    out = StringIO(newline="")
    with feature_writer(out, kind) as write:
        write(given[:1])
        write(given[1:])
    return out.getvalue().encode()


def read(data: bytes, kind: Format) -> list[Feature]:
    return list(read_all(BytesIO(data), kind))


@pytest.mark.parametrize("kind", Format)
@pytest.mark.parametrize("mark", [b"", BYTE_ORDER_MARK], ids=["plain", "byte order mark"])
@settings(deadline=None)
@given(given=features)
@example(given=[])
@example(given=AWKWARD)
@example(given=CORNERS)
def test_features_survive_a_round_trip(kind: Format, mark: bytes, given: list[Feature]) -> None:
    assert read(mark + written(given, kind), kind) == given


@settings(deadline=None)
@given(given=features)
def test_json_tells_geojson_from_upstream_by_its_content(given: list[Feature]) -> None:
    assert read(written(given, Format.GEOJSON), Format.JSON) == given


def test_upstream_is_also_read_as_the_json_of_a_feature_database() -> None:
    feature = Feature("Here", Point(1, 2))
    listed = written([feature], Format.JSON)

    assert read(b'{"feature":' + listed + b"}", Format.JSON) == [feature]


def test_a_document_that_an_exception_interrupts_is_not_ended() -> None:
    out = StringIO()

    with pytest.raises(ZeroDivisionError), feature_writer(out, Format.GEOJSON):
        raise ZeroDivisionError

    assert not out.getvalue().rstrip().endswith("}")
