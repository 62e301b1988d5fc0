"""One way out for all formats."""

import csv
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TextIO

from routeguide.domain.models import Feature
from routeguide.formats.csv_rows import HEADER, csv_cells
from routeguide.formats.geojson import geojson_text
from routeguide.formats.reading import Format
from routeguide.formats.upstream import upstream_json

Write = Callable[[Iterable[Feature]], None]


@contextmanager
def feature_writer(out: TextIO, kind: Format) -> Generator[Write, None, None]:
    """A function that writes features to `out` as they come; what is written reads back as the same.

    Leaving the context ends the document. An exception that leaves it does not: half a document must
    not look like a whole one. `out` must not translate line ends, and encode as UTF-8.
    """
    match kind:
        case Format.CSV:
            yield _begin_csv(out)
        case Format.GEOJSON:
            out.write('{"type": "FeatureCollection", "features": [')
            yield _begin_list(out, geojson_text)
            out.write("\n]}\n")
        case Format.JSON:
            out.write("[")
            yield _begin_list(out, upstream_json)
            out.write("\n]\n")


def _begin_csv(out: TextIO) -> Write:
    writer = csv.writer(out)
    writer.writerow(HEADER)
    return lambda features: writer.writerows(map(csv_cells, features))


def _begin_list(out: TextIO, encode: Callable[[Feature], str]) -> Write:
    separator = "\n"

    def write(features: Iterable[Feature]) -> None:
        nonlocal separator
        for feature in features:
            out.write(separator + encode(feature))
            separator = ",\n"

    return write
