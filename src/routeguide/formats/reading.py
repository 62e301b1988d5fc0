"""The formats by name, and one way in for all of them."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from routeguide.errors import FeatureFileError
from routeguide.formats.csv_rows import csv_rows
from routeguide.formats.geojson import parse_geojson
from routeguide.formats.json_rows import json_rows
from routeguide.formats.problems import FeatureReader, Row
from routeguide.formats.upstream import parse_upstream


class Format(StrEnum):
    """The formats of a file of features. Each is also the extension of such files."""

    JSON = "json"
    """Upstream's JSON; what is read may be GeoJSON as well, which the content tells."""
    GEOJSON = "geojson"
    CSV = "csv"


def format_of(path: Path) -> Format:
    """The format that the extension of `path` stands for.

    Raises:
        FeatureFileError: it stands for none.
    """
    try:
        return Format(path.suffix.lower().removeprefix("."))
    except ValueError:
        known = ", ".join(f".{each}" for each in Format)
        raise FeatureFileError(f"{path}: the extension is none of {known}, so name the format") from None


def read_features(file: BinaryIO, kind: Format, *, name: str) -> FeatureReader:
    """A reader of the features of `file` in its order, read as they are asked for, in bounded memory.

    `file` is seekable and at its start; `name` is what messages call it.
    """
    return FeatureReader(_rows(file, kind), name)


def _rows(file: BinaryIO, kind: Format) -> Iterator[Row]:
    match kind:
        case Format.CSV:
            return csv_rows(file)
        case Format.GEOJSON:
            return json_rows(file, {"features": parse_geojson})
        case Format.JSON:
            members = {"feature": parse_upstream, "features": parse_geojson}
            return json_rows(file, members, top_level=parse_upstream)
