"""Lists of features in JSON, read as a stream: memory is bounded by one feature, whatever the file holds."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, NoReturn

from routeguide.domain.models import Feature
from routeguide.errors import FieldViolation, InvalidInput
from routeguide.formats.json_source import BROKEN, Event, JsonSource
from routeguide.formats.problems import Malformed, Row
from routeguide.formats.values import Repeated

_DEEPEST = 32
"""Levels within one feature; GeoJSON needs three."""

_STEPS = {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}
"""How many levels further in an event leads."""

Parser = Callable[[Any], Feature]


def json_rows(
    file: BinaryIO, members: Mapping[str, Parser], *, top_level: Parser | None = None
) -> Iterator[Row]:
    """The elements of the list in `file`: of the one member of the object that `members` knows, or of a
    list that is the whole file, if `top_level` parses those. `file` must be seekable.

    Raises:
        Malformed: no JSON, with line and column; no such list, or more than one.
    """
    source = JsonSource(file)
    events = source.events()
    try:
        yield from _top_level_rows(source, events, members, top_level)
        next(events, None)  # lets the parser object to whatever follows
    except BROKEN as error:
        raise Malformed(source.locate()) from error


def _top_level_rows(
    source: JsonSource, events: Iterator[Event], members: Mapping[str, Parser], top_level: Parser | None
) -> Iterator[Row]:
    kind, _ = next(events)
    if kind == "start_map":
        return _member_rows(source, events, members)
    if kind != "start_array":
        raise Malformed(_no_list(members))
    if top_level is None:
        raise Malformed(f"the file is a bare list: put it into an object, as the member {_names(members)}")
    return _elements(source, events, top_level)


def _member_rows(source: JsonSource, events: Iterator[Event], members: Mapping[str, Parser]) -> Iterator[Row]:
    found = False
    for event, key in events:
        if event == "end_map":
            break
        source.begin_value()
        kind, _ = next(events)
        if key not in members:
            _skip(source, events, _STEPS.get(kind, 0))
        elif kind != "start_array" or found:
            raise Malformed(f'"{key}" is not the only list of features' if found else f'"{key}" is no list')
        else:
            found = True
            yield from _elements(source, events, members[key])
    if not found:
        _refuse_object(events, members)


def _refuse_object(events: Iterator[Event], members: Mapping[str, Parser]) -> NoReturn:
    """Raises Malformed: the object that has just ended has no list of features."""
    try:
        next(events, None)
    except BROKEN:
        raise Malformed(
            "the file goes on after its first object; if it is JSON Lines, one feature a line,"
            " make it a list, for instance with jq --slurp"
        ) from None
    raise Malformed(_no_list(members))


def _elements(source: JsonSource, events: Iterator[Event], parse: Parser) -> Iterator[Row]:
    for number, (kind, value) in enumerate(events, start=1):
        if kind == "end_array":
            return
        source.begin_value()
        try:
            built = _build(source, events, kind, value, 0)
        except _TooMuch as error:
            _skip(source, events, error.levels)
            yield Row("feature", number, _refuse_size, None)
        else:
            yield Row("feature", number, parse, built)


def _skip(source: JsonSource, events: Iterator[Event], levels: int) -> None:
    """Passes over what is left of a value, so many levels deep in it, and keeps nothing."""
    while levels:
        levels += _STEPS.get(next(events)[0], 0)
        source.begin_value()


class _TooMuch(Exception):
    """A value is too large or nested too deeply to be built."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels
        """How many of the value's levels are open where the events stand."""


def _build(source: JsonSource, events: Iterator[Event], kind: str, value: Any, levels: int) -> object:
    """The value that begins with this event, `levels` deep; the rest of it is taken from `events`."""
    if kind not in _BUILDERS:
        return value
    if levels == _DEEPEST:
        raise _TooMuch(levels + 1)
    return _BUILDERS[kind](source, events, levels + 1)


def _build_object(source: JsonSource, events: Iterator[Event], levels: int) -> dict[str, object]:
    members: dict[str, object] = {}
    for event, key in events:
        if event == "end_map":
            break
        if source.overdue:
            _skip(source, events, _STEPS.get(next(events)[0], 0))
            raise _TooMuch(levels)
        value = _build(source, events, *next(events), levels)
        members[key] = Repeated() if key in members else value
    return members


def _build_list(source: JsonSource, events: Iterator[Event], levels: int) -> list[object]:
    elements = []
    for kind, value in events:
        if kind == "end_array":
            break
        if source.overdue:
            raise _TooMuch(levels + _STEPS.get(kind, 0))
        elements.append(_build(source, events, kind, value, levels))
    return elements


_BUILDERS = {"start_map": _build_object, "start_array": _build_list}


def _refuse_size(_: object) -> NoReturn:
    raise InvalidInput([FieldViolation("", "is larger or nested deeper than any feature")])


def _no_list(members: Mapping[str, Parser]) -> str:
    return f"there is no list of features called {_names(members)}"


def _names(members: Mapping[str, Parser]) -> str:
    return " or ".join(map(repr, members))
