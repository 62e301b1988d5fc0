"""What CloudFormation checks before it creates anything: parameters, the section Rules, conditions."""

import re
from collections.abc import Iterator
from typing import Any


def with_defaults(declared: dict[str, Any], given: dict[str, str]) -> dict[str, str]:
    """The value of each parameter that has one."""
    defaults = {name: str(item["Default"]) for name, item in declared.items() if "Default" in item}
    return defaults | given


def problems(template: dict[str, Any], parameters: dict[str, str]) -> list[str]:
    """Why CloudFormation would not accept `parameters`."""
    declared = template["Parameters"]
    unknown = [f"{name} is no parameter" for name in parameters.keys() - declared.keys()]
    missing = [f"{name} is missing" for name in declared.keys() - parameters.keys()]
    bad = [
        f"{name} is refused"
        for name, value in parameters.items()
        if name in declared and not _fits(declared[name], value)
    ]
    return unknown + missing + bad or list(_broken_rules(template, Truth(parameters)))


def _fits(declared: dict[str, Any], value: str) -> bool:
    allowed = [str(item) for item in declared.get("AllowedValues", [value])]
    if declared["Type"] == "Number" and not declared.get("MinValue", 0) <= int(value) <= declared.get(
        "MaxValue", 10**9
    ):
        return False
    return value in allowed and re.fullmatch(declared.get("AllowedPattern", ".*"), value) is not None


def _broken_rules(template: dict[str, Any], truth: "Truth") -> Iterator[str]:
    for rule in template.get("Rules", {}).values():
        if truth.of(rule.get("RuleCondition", {"Fn::Equals": ["", ""]})):
            for assertion in rule["Assertions"]:
                if not truth.of(assertion["Assert"]):
                    yield assertion["AssertDescription"]


class Truth:
    """Evaluates conditions, and the assertions of rules, which know no conditions by name."""

    def __init__(self, parameters: dict[str, str], conditions: dict[str, Any] | None = None) -> None:
        self._parameters = parameters
        self._conditions = conditions or {}

    def condition(self, name: str) -> bool:
        """Whether the condition `name` holds."""
        return self.of(self._conditions[name])

    def of(self, expression: dict[str, Any]) -> bool:
        """Whether `expression` holds."""
        [(function, arguments)] = expression.items()
        match function:
            case "Condition":
                return self.condition(arguments)
            case "Fn::Not":
                return not self.of(arguments[0])
            case "Fn::And":
                return all(map(self.of, arguments))
            case "Fn::Or":
                return any(map(self.of, arguments))
            case "Fn::Equals":
                return self._text(arguments[0]) == self._text(arguments[1])
            case "Fn::Contains":
                return self._text(arguments[1]) in map(self._text, arguments[0])
        raise ValueError(function)

    def _text(self, value: Any) -> str:
        return self._parameters[value["Ref"]] if isinstance(value, dict) else str(value)
