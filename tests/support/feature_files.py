"""Reads files of features to their end, as an import does, but into no store."""

from collections.abc import Iterator
from typing import BinaryIO

from routeguide.domain.models import Feature
from routeguide.formats.problems import FirstProblem
from routeguide.formats.reading import Format, read_features


def read_all(file: BinaryIO, kind: Format) -> Iterator[Feature]:
    """The features of `file` up to the first problem.

    Raises:
        FeatureFileError: at the end, with every problem.
    """
    reader = read_features(file, kind, name="file")
    try:
        yield from reader.features()
    except FirstProblem:
        for _ in reader.rest():
            pass
        raise reader.refusal() from None
