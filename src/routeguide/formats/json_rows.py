"""Lists of features in JSON, read as a stream: memory is bounded by one feature, whatever the file holds.

Three traits of ijson decide how it is used here (docs/adr/0005-ijson.md):

- its `basic_parse` gives bare events; `items`, which would build the values, keeps the path to every level
  that is open, so that 20 000 brackets, 20 kB, cost it a gigabyte;
- without `use_float`, a number of 5000 digits leaves a broken event in the queue of its C code;
- it does not tell where an error is, so `_locate` finds out.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import ijson

from routeguide.domain.models import Feature
from routeguide.formats.problems import Malformed, Row
from routeguide.formats.values import Repeated

_CHUNK = 65_536
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_DEEPEST = 32
"""Levels within one value; a feature of GeoJSON needs three."""

Events = Iterator[tuple[str, Any]]
Parser = Callable[[Any], Feature]

_BROKEN = (ijson.JSONError, UnicodeDecodeError)


def json_rows(
    file: BinaryIO, members: Mapping[str, Parser], *, top_level: Parser | None = None
) -> Iterator[Row]:
    """The elements of the list in `file`: of the one member of the object that `members` knows, or of a
    list that is the whole file, if `top_level` parses those. `file` must be seekable.

    Raises:
        Malformed: no JSON, with line and column; no such list, or more than one; nested too deeply.
    """
    source = _Source(file)
    events = ijson.basic_parse(source, buf_size=_CHUNK, use_float=True)
    try:
        kind, _ = next(events)
        if kind == "start_array" and top_level:
            yield from _elements(events, top_level)
        else:
            yield from _element_lists(events if kind == "start_map" else iter(()), members)
        next(events, None)  # lets the parser object to whatever follows
    except _BROKEN as error:
        raise Malformed(_locate(source)) from error


class _Source:
    """Hands a file to the parser and remembers where the last chunk began."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.start = len(_BYTE_ORDER_MARK) if file.read(len(_BYTE_ORDER_MARK)) == _BYTE_ORDER_MARK else 0
        self.chunk_start = self.start
        file.seek(self.start)

    def read(self, size: int) -> bytes:
        if size:  # at first ijson reads nothing, to see whether it gets bytes
            self.chunk_start = self.file.tell()
        return self.file.read(size)


def _element_lists(events: Events, members: Mapping[str, Parser]) -> Iterator[Row]:
    found = False
    for event, key in events:
        if event == "end_map":
            break
        kind, value = next(events)
        if key not in members:
            _build(events, kind, value, _DEEPEST)
        elif kind != "start_array" or found:
            raise Malformed(f'"{key}" is not the only list of features' if found else f'"{key}" is no list')
        else:
            found = True
            yield from _elements(events, members[key])
    if not found:
        raise Malformed(f"there is no list of features called {' or '.join(map(repr, members))}")


def _elements(events: Events, parse: Parser) -> Iterator[Row]:
    for number, (kind, value) in enumerate(events, start=1):
        if kind == "end_array":
            return
        yield Row("feature", number, parse, _build(events, kind, value, _DEEPEST))


def _build(events: Events, kind: str, value: Any, levels: int) -> object:
    """The value that begins with this event; the rest of it is taken from `events`."""
    if not levels:
        raise Malformed(f"a value is nested deeper than {_DEEPEST} levels")
    if kind == "start_map":
        return _build_object(events, levels - 1)
    if kind == "start_array":
        return _build_list(events, levels - 1)
    return value


def _build_object(events: Events, levels: int) -> dict[str, object]:
    members: dict[str, object] = {}
    for event, key in events:
        if event == "end_map":
            break
        value = _build(events, *next(events), levels)
        members[key] = Repeated() if key in members else value
    return members


def _build_list(events: Events, levels: int) -> list[object]:
    elements = []
    for kind, value in events:
        if kind == "end_array":
            break
        elements.append(_build(events, kind, value, levels))
    return elements


class _Ignore:
    """Takes the parser's events and forgets them."""

    def send(self, event: object) -> None:
        pass


def _locate(source: _Source) -> str:
    """Where the JSON breaks, in words: parses it again, the chunk that failed byte by byte.

    Columns count bytes, from 1.
    """
    file = source.file
    parser = ijson.basic_parse_coro(_Ignore(), use_float=True)
    line, line_start = 1, source.start
    file.seek(source.start)
    while chunk := file.read(min(_CHUNK, source.chunk_start - file.tell())):
        parser.send(chunk)
        line += chunk.count(b"\n")
        if b"\n" in chunk:
            line_start = file.tell() - len(chunk) + chunk.rindex(b"\n") + 1
    while byte := file.read(1):
        try:
            parser.send(byte)
        except _BROKEN:
            column = file.tell() - line_start
            return f"line {line}, column {column}: not valid JSON in UTF-8, or a number too large"
        if byte == b"\n":
            line, line_start = line + 1, file.tell()
    return f"line {line}: the file ends before its JSON does"
