"""CSV (RFC 4180): the header names the columns, and with them the unit of the coordinates.

``latitude,longitude`` are degrees with a decimal point, ``latitude_e7,longitude_e7`` are integers, and a
column ``name`` may stand beside either pair. The header decides alone, so no number can be misread.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, NoReturn

from routeguide.domain.models import Feature, Point
from routeguide.errors import FieldViolation, InvalidInput
from routeguide.formats.problems import Malformed, Row
from routeguide.formats.values import as_name, as_point, gathered, refuse, to_degrees

HEADER = ("latitude", "longitude", "name")
"""What is written: degrees."""

_LONGEST_LINE = 65_536
"""Bytes. Without a bound, a file without line ends would have to fit into memory."""

_DEGREES = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{1,30})?")
_E7 = re.compile(r"[+-]?[0-9]{1,12}")


def csv_rows(file: BinaryIO) -> Iterator[Row]:
    """The rows below the header, by the line on which each begins. Empty lines are skipped.

    Raises:
        Malformed: there is no header, or none of the two; a line is too long.
    """
    reader = csv.reader(_lines(file), strict=True)
    columns = _read_header(reader)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Row("line", line, _refuse_syntax, None)
        else:
            if cells:
                yield Row("line", line, columns.parse, cells)


def csv_cells(feature: Feature) -> tuple[str, str, str]:
    """`feature` as a row below `HEADER`. The degrees read back as exactly the same E7 integers."""
    latitude, longitude = to_degrees(feature.location.latitude), to_degrees(feature.location.longitude)
    return f"{latitude:.7f}", f"{longitude:.7f}", feature.name


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a row has what."""

    count: int
    latitude: int
    longitude: int
    name: int | None
    in_degrees: bool

    def parse(self, cells: Sequence[str]) -> Feature:
        if len(cells) != self.count:
            description = f"has {len(cells)} cells where the header has {self.count}"
            raise InvalidInput([FieldViolation("", description)])
        name = "" if self.name is None else as_name(cells[self.name], "name")
        parse_point = _degrees_point if self.in_degrees else _e7_point
        return Feature(name, parse_point(cells[self.latitude], cells[self.longitude]))


def _lines(file: BinaryIO) -> Iterator[str]:
    """The lines of `file`. Bytes that are no UTF-8 become surrogates, which no name may contain.

    So every such row is reported by its line, which a decoder for the whole file could not do.
    """
    encoding = "utf-8-sig"  # only the first line may begin with a byte order mark
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            raise Malformed(f"line {number}: is longer than {_LONGEST_LINE} bytes")
        yield line.decode(encoding, "surrogateescape")
        encoding = "utf-8"


def _read_header(reader: Iterator[list[str]]) -> _Columns:
    try:
        header = next(reader, [])
    except csv.Error:
        header = []
    for suffix in ("", "_e7"):
        latitude, longitude = f"latitude{suffix}", f"longitude{suffix}"
        if sorted(header) in (sorted([latitude, longitude]), sorted([latitude, longitude, "name"])):
            name = header.index("name") if "name" in header else None
            return _Columns(len(header), header.index(latitude), header.index(longitude), name, not suffix)
    raise Malformed("line 1: the header must be latitude,longitude,name or latitude_e7,longitude_e7,name")


def _refuse_syntax(_: object) -> NoReturn:
    raise InvalidInput([FieldViolation("", "is no row of RFC 4180 (quotes or line ends)")])


def _degrees_point(latitude: str, longitude: str) -> Point:
    return as_point(
        *gathered(partial(_degrees, latitude, "latitude"), partial(_degrees, longitude, "longitude"))
    )


def _e7_point(latitude: str, longitude: str) -> Point:
    numbers = gathered(partial(_e7, latitude, "latitude_e7"), partial(_e7, longitude, "longitude_e7"))
    try:
        return Point(*numbers)
    except InvalidInput as error:
        columns = [FieldViolation(f"{each.field}_e7", each.description) for each in error.violations]
        raise InvalidInput(columns) from None


def _degrees(text: str, column: str) -> float:
    if not _DEGREES.fullmatch(text):
        refuse(column, text, "a number of degrees such as 40.7838351")
    return float(text)


def _e7(text: str, column: str) -> int:
    if not _E7.fullmatch(text):
        refuse(column, text, "a whole number (degrees × 10⁷)")
    return int(text)
