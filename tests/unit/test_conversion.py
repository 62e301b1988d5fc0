"""Between messages and models."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeguide import conversion
from routeguide.domain.models import MAX_LATITUDE, MAX_LONGITUDE, Feature, Point, RouteNote, RouteSummary
from routeguide.errors import InvalidInput
from routeguide.pb import route_guide_pb2 as pb

points = st.builds(
    Point,
    st.integers(-MAX_LATITUDE, MAX_LATITUDE),
    st.integers(-MAX_LONGITUDE, MAX_LONGITUDE),
)
texts = st.text(st.characters(exclude_categories=["Cs"]))  # surrogates are no UTF-8
counts = st.integers(0, 2**31 - 1)


@given(points)
def test_points_go_there_and_back(point: Point) -> None:
    assert conversion.decode_point(conversion.encode(conversion.point_to_pb(point))) == point


@given(st.builds(Feature, texts, points))
def test_features_go_there_and_back(feature: Feature) -> None:
    message = pb.Feature.FromString(conversion.encode(conversion.feature_to_pb(feature)))

    assert message.HasField("location"), "present even where both coordinates are 0"
    assert conversion.feature_from_pb(message) == feature


@given(st.builds(RouteNote, points, texts))
def test_notes_go_there_and_back(note: RouteNote) -> None:
    data = conversion.encode(conversion.note_to_pb(note))

    assert conversion.decode_note(data) == note
    assert conversion.note_from_pb(pb.RouteNote.FromString(data)) == note


@given(st.builds(RouteSummary, counts, counts, counts, counts))
def test_summaries_go_there_and_back(summary: RouteSummary) -> None:
    assert conversion.summary_from_pb(conversion.summary_to_pb(summary)) == summary


@given(st.binary(max_size=64))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for decode in (conversion.decode_point, conversion.decode_rectangle, conversion.decode_note):
        with suppress(InvalidInput):  # and nothing else
            decode(data)


def test_violations_are_named_by_the_way_to_them() -> None:
    with pytest.raises(InvalidInput) as raised:
        conversion.decode_note(pb.RouteNote(location=pb.Point(latitude=900000001)).SerializeToString())

    (violation,) = raised.value.within("notes[3]").violations
    assert violation.field == "notes[3].location.latitude"


def test_unknown_fields_are_passed_over() -> None:
    """A client of a later contract may send more; what is known of it counts."""
    assert conversion.decode_point(b"\x08\x01\xa8\x1f\x05") == Point(1, 0)
