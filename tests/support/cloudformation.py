"""Resolves a template as CloudFormation does, so that what would be created can be looked at without it.

What only AWS knows stands in angle brackets: `<Vpc>` is a reference, `<LoadBalancer.DNSName>` an attribute.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from cfnlint.decode import decode

from tests.support.template_rules import Truth, problems, with_defaults

DEPLOY = Path(__file__).parents[2] / "deploy"

PSEUDO = {
    "AWS::AccountId": "123412341234",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-north-1",
    "AWS::StackName": "route-guide",
    "AWS::URLSuffix": "amazonaws.com",
}
NO_VALUE = object()


class RefusedError(Exception):
    """CloudFormation would not begin; `problems` says why."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class DanglingError(Exception):
    """A resource that is created refers to one that is not."""


class TooSmallError(Exception):
    """A network does not hold the subnets that `Fn::Cidr` asks of it."""


@dataclass
class Stack:
    """What a template comes to with certain parameters."""

    conditions: dict[str, bool] = field(default_factory=dict)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    branches: set[tuple[int, bool]] = field(default_factory=set)
    """Which branch each `Fn::If` took that was met, by the identity of its arguments in the template."""

    def __getitem__(self, name: str) -> dict[str, Any]:
        """The properties of a resource."""
        properties: dict[str, Any] = self.resources[name]["Properties"]
        return properties

    def kinds(self, prefix: str) -> list[str]:
        """The names of the resources of a type, or of all types of a service such as `AWS::RDS`."""
        return sorted(
            name for name, item in self.resources.items() if f"{item['Type']}::".startswith(f"{prefix}::")
        )


@cache
def _decoded(path: Path) -> dict[str, Any]:
    template, errors = decode(str(path))
    assert not errors, errors
    assert isinstance(template, dict)
    return template


def template(name: str) -> dict[str, Any]:
    """A template of `deploy/`, its short functions spelt out. It is shared: copy it before changing it."""
    return _decoded(DEPLOY / name)


def branch_sites(value: Any, path: str = "") -> Iterator[tuple[int, str]]:
    """Every `Fn::If` within `value`: the identity of its arguments, and where it stands."""
    if isinstance(value, dict):
        if "Fn::If" in value:
            yield id(value["Fn::If"]), path
        for key, item in value.items():
            yield from branch_sites(item, f"{path}/{key}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from branch_sites(item, f"{path}/{index}")


def resolved(source: dict[str, Any], **given: str) -> Stack:
    """The stack of `source`. Raises RefusedError for what its parameters or rules refuse, DanglingError for a
    reference to nothing."""
    parameters = with_defaults(source["Parameters"], given)
    if found := problems(source, parameters):
        raise RefusedError(found)
    return _Resolution(source, parameters).stack()


class _Resolution:
    def __init__(self, source: dict[str, Any], parameters: dict[str, str]) -> None:
        self._source = source
        self._parameters = parameters
        self._truth = Truth(parameters, source.get("Conditions", {}))
        self._created = {name for name, item in source["Resources"].items() if self._wanted(item)}
        self._branches: set[tuple[int, bool]] = set()

    def stack(self) -> Stack:
        resources = {name: self._value(self._source["Resources"][name]) for name in sorted(self._created)}
        outputs = {
            name: self._value(item["Value"])
            for name, item in self._source.get("Outputs", {}).items()
            if self._wanted(item)
        }
        conditions = {name: self._truth.condition(name) for name in self._source.get("Conditions", {})}
        self._check_dependencies(resources)
        return Stack(conditions, resources, outputs, self._branches)

    def _wanted(self, item: dict[str, Any]) -> bool:
        return "Condition" not in item or self._truth.condition(item["Condition"])

    def _check_dependencies(self, resources: dict[str, dict[str, Any]]) -> None:
        for resource in resources.values():
            after = resource.get("DependsOn", [])
            for name in [after] if isinstance(after, str) else after:
                self._existing(name)

    def _existing(self, name: str) -> str:
        if name not in self._created:
            raise DanglingError(name)
        return name

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._value, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and (function := self._function(next(iter(value)))):
            return function(next(iter(value.values())))
        items = ((key, self._value(item)) for key, item in value.items())
        return {key: item for key, item in items if item is not NO_VALUE}

    def _function(self, name: str) -> Any:
        return (
            getattr(self, "_" + name.removeprefix("Fn::").lower(), None)
            if name[:4] in {"Fn::", "Ref"}
            else None
        )

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self._parameters:
            return self._parameters[name]
        return PSEUDO.get(name) or f"<{self._existing(name)}>"

    def _getatt(self, path: list[str]) -> str:
        self._existing(path[0])
        return f"<{'.'.join(path)}>"

    def _if(self, arguments: list[Any]) -> Any:
        condition, yes, no = arguments
        answer = self._truth.condition(condition)
        self._branches.add((id(arguments), answer))
        return self._value(yes if answer else no)

    def _sub(self, argument: str | list[Any]) -> str:
        text, values = (argument, {}) if isinstance(argument, str) else argument

        def replaced(found: re.Match[str]) -> str:
            name = found[1]
            if name in values:
                return str(self._value(values[name]))
            return str(self._getatt(name.split(".", 1)) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", replaced, text)

    def _findinmap(self, path: list[Any]) -> Any:
        mapping, row, column = map(self._value, path)
        return self._source["Mappings"][mapping][row][column]

    def _select(self, arguments: list[Any]) -> Any:
        return self._value(arguments[1])[int(arguments[0])]

    def _split(self, arguments: list[Any]) -> list[str]:
        return str(self._value(arguments[1])).split(arguments[0])

    def _join(self, arguments: list[Any]) -> str:
        return str(arguments[0]).join(map(str, self._value(arguments[1])))

    def _getazs(self, _: str) -> list[str]:
        return [PSEUDO["AWS::Region"] + zone for zone in "abc"]

    def _cidr(self, arguments: list[Any]) -> list[str]:
        block, count, bits = map(self._value, arguments)
        network, prefix = ipaddress.ip_network(block), 32 - int(bits)
        if network.prefixlen > prefix or 2 ** (prefix - network.prefixlen) < int(count):
            raise TooSmallError(f"{block} does not hold {count} networks /{prefix}")
        return [str(part) for part in islice(network.subnets(new_prefix=prefix), int(count))]
