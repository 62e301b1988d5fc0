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


class FirstProblem(Exception):
    """Ends the features of a `FeatureReader` where the first row is none."""


class FeatureReader:
    """The features of a file, up to the first row that is none; from there on only problems are looked for.

    Give `features` to something that undoes what it has done when `FirstProblem` is raised. Then exhaust
    `rest`, which may take long, and raise `refusal`.
    """

    def __init__(self, rows: Iterator[Row], name: str) -> None:
        self._parsed = self._parse(rows)
        self._name = name
        self._problems: list[str] = []
        self._count = 0
        self._broken: Malformed | None = None

    def features(self) -> Iterator[Feature]:
        """Raises FirstProblem: a row is no feature, or the syntax is broken."""
        for feature in self._parsed:
            if feature is None:
                raise FirstProblem
            yield feature

    def rest(self) -> Iterator[None]:
        """Looks for further problems, one row a step, so that others get their turn in between."""
        for _ in self._parsed:
            yield

    def refusal(self) -> FeatureFileError:
        """Every problem up to here. It says that nothing was imported."""
        hidden = self._count - len(self._problems)
        more = [f"and {hidden} more"] if hidden else []
        # Never among those left out: where the syntax breaks is why the list ends.
        last = [str(self._broken)] if self._broken else []
        count = self._count + len(last)
        noun = "problem" if count == 1 else "problems"
        summary = f"{self._name}: nothing was imported because of {count} {noun}:"
        return FeatureFileError(summary, [*self._problems, *more, *last])

    def _parse(self, rows: Iterator[Row]) -> Iterator[Feature | None]:
        """What each row is; None for one that is no feature, and where the syntax breaks."""
        try:
            for position, number, parse, raw in rows:
                try:
                    feature = parse(raw)
                except InvalidInput as error:
                    self._note(f"{position} {number}: {error}")
                    yield None
                else:
                    yield feature
        except Malformed as error:
            self._broken = error
            yield None

    def _note(self, problem: str) -> None:
        self._count += 1
        if self._count <= MOST_LISTED:
            self._problems.append(problem)
