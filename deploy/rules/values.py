"""What a value of a template can become, as far as the template alone tells."""

from collections.abc import Iterator
from typing import Any

UNKNOWN = "(unknown)"
"""A value that only the deployment knows. No rule accepts it where it has to know."""


def resources(template: dict[str, Any], kind: str) -> Iterator[tuple[list[str | int], dict[str, Any]]]:
    """The path to the properties of each resource of a kind, and the properties."""
    for name, resource in template["Resources"].items():
        if resource["Type"] == kind:
            yield ["Resources", name, "Properties"], resource.get("Properties", {})


def possible(template: dict[str, Any], value: Any) -> set[str]:
    """All that `value` can be: every branch of a condition, row of a mapping, allowed value of a parameter.

    UNKNOWN is among them if there is more: no value at all, an attribute of a resource, a parameter that
    takes any text. Of a number with limits there are the limits, and the default.
    """
    match value:
        case {"Fn::If": [_, yes, no]}:
            return possible(template, yes) | possible(template, no)
        case {"Fn::FindInMap": [mapping, _, column]}:
            return {str(row.get(column, UNKNOWN)) for row in template["Mappings"][mapping].values()}
        case {"Ref": str(name)} if name in template.get("Parameters", {}):
            return _of_parameter(template["Parameters"][name])
        case str() | int():
            return {str(value)}
    return {UNKNOWN}


def _of_parameter(parameter: dict[str, Any]) -> set[str]:
    default = {str(parameter["Default"])} if "Default" in parameter else set()
    match parameter:
        case {"AllowedValues": values}:
            return {str(value) for value in values} | default
        case {"Type": "Number", "MinValue": least, "MaxValue": most}:
            return {str(least), str(most)} | default
    return {UNKNOWN} | default


def branches(items: list[Any]) -> Iterator[Any]:
    """The members of a list, those of either branch of a condition included."""
    for item in items:
        match item:
            case {"Fn::If": [_, yes, no]}:
                yield from branches([yes, no])
            case {"Ref": "AWS::NoValue"}:
                pass
            case _:
                yield item
