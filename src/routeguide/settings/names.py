"""What a setting is called, and which variables are none."""

import difflib
import re
from collections.abc import Collection, Iterable

PREFIX = "ROUTEGUIDE_"

_NEAR = 0.7
"""How alike a misspelt name and the one that was meant are, less the prefix, which makes all names alike."""

_INJECTED = re.compile(rf"{PREFIX}(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP)\w*)?)")
"""What Kubernetes and Docker links inject for services whose names begin with routeguide."""


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def unknown(names: Iterable[str], fields: Collection[str]) -> list[str]:
    """A line for each of `names` with the prefix that is no setting: most often a misspelt one."""
    known = {variable(field) for field in fields}
    return [
        f"{name}: there is no such setting{_hint(name, fields)}"
        for name in sorted(names)
        if name.upper().startswith(PREFIX) and name.upper() not in known and not _INJECTED.fullmatch(name)
    ]


def _hint(name: str, fields: Collection[str]) -> str:
    rest = name.upper().removeprefix(PREFIX).lower()
    near = difflib.get_close_matches(rest, fields, n=1, cutoff=_NEAR)
    return f"; did you mean {variable(near[0])}?" if near else ""
