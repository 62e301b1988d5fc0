"""What is said of a value that no setting can have, in words for operators instead of pydantic's."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "bool_parsing": "must be true or false",
        "int_parsing": "must be a whole number",
        "float_parsing": "must be a number",
        "greater_than": "must be more than {gt}",
        "greater_than_equal": "must be at least {ge}",
        "less_than_equal": "must be at most {le}",
        "literal_error": "must be {expected}",
        "string_too_short": "must not be empty",
        "string_too_long": "must have at most {max_length} characters",
        "string_pattern_mismatch": "must match {pattern}",
    }
)
"""By the kind of error, as pydantic names it for good; in braces what is in its context."""


def worded(error: Any) -> str:
    """One of the errors of pydantic's `ValidationError`, without the name of the setting and its value."""
    words = _WORDS.get(error["type"])
    if words is None:
        return str(error["msg"]).removeprefix("Value error, ")
    return words.format_map({name: _plain(bound) for name, bound in error.get("ctx", {}).items()})


def _plain(bound: Any) -> Any:
    """0 instead of 0.0, as bounds are written."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound
