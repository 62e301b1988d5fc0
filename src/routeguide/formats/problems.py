"""What is wrong with a file, gathered to its end: whoever mends it sees all of it at once."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from routeguide.domain.models import Feature
from routeguide.errors import FeatureFileError, InvalidInput

MOST_LISTED = 100
"""Problems that are kept and shown; of the rest only their number is."""


class Malformed(Exception):
    """The file cannot be read on from here: its syntax is broken, so nothing behind can be trusted."""


class Row(NamedTuple):
    """One feature of a file, not yet checked."""

    position: str
    """What the numbers of this file count: ``feature`` or ``line``."""
    number: int
    """From 1."""
    parse: Callable[[Any], Feature]
    """Makes `raw` a feature, or raises InvalidInput."""
    raw: Any


def checked(rows: Iterator[Row], name: str) -> Iterator[Feature]:
    """The features of `rows`, up to the first that is none; from there on only problems are looked for.

    Raises:
        FeatureFileError: at the end, or where the syntax breaks, with every problem up to there. It says
            that nothing was imported, which is what `FeatureRepository.import_all` makes of it.
    """
    problems: list[str] = []
    count = 0
    broken: Malformed | None = None
    try:
        for position, number, parse, raw in rows:
            try:
                feature = parse(raw)
            except InvalidInput as error:
                count += 1
                if count <= MOST_LISTED:
                    problems.append(f"{position} {number}: {error}")
            else:
                if not count:
                    yield feature
    except Malformed as error:
        broken = error
    if count or broken:
        raise _refusal(name, problems, count, broken) from broken


def _refusal(name: str, problems: list[str], count: int, broken: Malformed | None) -> FeatureFileError:
    hidden = count - len(problems)
    more = [f"and {hidden} more"] if hidden else []
    # Never among those left out: where the syntax breaks is why the list ends.
    last = [str(broken)] if broken else []
    count += len(last)
    noun = "problem" if count == 1 else "problems"
    return FeatureFileError(
        f"{name}: nothing was imported because of {count} {noun}:", [*problems, *more, *last]
    )
