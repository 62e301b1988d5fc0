"""What a setting is called, and which variables are none."""

import difflib
import re
from collections.abc import Collection, Iterable

PREFIX = "ROUTEGUIDE_"

_INJECTED = re.compile(rf"{PREFIX}(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP)\w*)?)")
"""What Kubernetes and Docker links inject for services whose names begin with routeguide."""


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def unknown(names: Iterable[str], fields: Collection[str]) -> list[str]:
    """A line for each of `names` with the prefix that is no setting: most often a misspelt one."""
    known = {variable(field) for field in fields}
    problems = []
    for name in sorted(names):
        if name.upper().startswith(PREFIX) and name.upper() not in known and not _INJECTED.fullmatch(name):
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(f"{name}: there is no such setting{hint}")
    return problems
