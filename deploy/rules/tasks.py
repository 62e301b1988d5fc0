"""Rules about tasks on Fargate."""

import re
from collections.abc import Iterator
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

from deploy.rules.values import branches, possible, resources

TASK_DEFINITION = "AWS::ECS::TaskDefinition"

SIZES = {
    "256": {512, 1024, 2048},
    "512": set(range(1024, 4097, 1024)),
    "1024": set(range(2048, 8193, 1024)),
    "2048": set(range(4096, 16385, 1024)),
    "4096": set(range(8192, 30721, 1024)),
}
"""CPU units, and the MiB that Fargate offers with them."""

LONGEST_STOP = 120
"""Seconds that Fargate waits at most between SIGTERM and SIGKILL."""

DIGEST = "sha256:[0-9a-f]{64}"

Container = tuple[list[str | int], dict[str, Any]]


class FargateSize(CloudFormationLintRule):
    id = "E9201"
    shortdesc = "CPU and memory are a pair that Fargate offers"
    description = "For fixed values and for defaults; for parameters a rule of the template lists the pairs."

    def match(self, cfn: Template) -> list[RuleMatch]:
        return [
            RuleMatch([*path, "Memory"], problem)
            for path, task in resources(cfn.template, TASK_DEFINITION)
            for problem in _size_problems(cfn.template, task.get("Cpu"), task.get("Memory"))
        ]


def _size_problems(template: dict[str, Any], cpu: Any, memory: Any) -> Iterator[str]:
    pair = (_default(template, cpu), _default(template, memory))
    if not _is_offered(*pair):
        yield "Fargate does not offer {} CPU units with {} MiB".format(*pair)
    for allowed in possible(template, cpu) if isinstance(cpu, dict) else ():
        listed = _listed(template, cpu, allowed, memory)
        if not listed or not all(_is_offered(allowed, size) for size in listed):
            yield f"no rule of the template lists what Fargate offers with {allowed} CPU units"


def _default(template: dict[str, Any], value: Any) -> str:
    if isinstance(value, dict):
        value = template["Parameters"].get(value.get("Ref"), {}).get("Default")
    return str(value)


def _is_offered(cpu: str, memory: str) -> bool:
    return memory.isdecimal() and int(memory) in SIZES.get(cpu, set())


def _listed(template: dict[str, Any], cpu: Any, allowed: str, memory: Any) -> list[str]:
    """The sizes that a rule of the template allows for `memory` where `cpu` is `allowed`."""
    for rule in template.get("Rules", {}).values():
        for assertion in rule["Assertions"]:
            match rule.get("RuleCondition"), assertion["Assert"]:
                case {"Fn::Equals": [left, right]}, {"Fn::Contains": [sizes, of]}:
                    if (left, right, of) == (cpu, allowed, memory):
                        return [str(size) for size in sizes]
    return []


class StopTimeout(CloudFormationLintRule):
    id = "E9202"
    shortdesc = "A container says how long it may take to stop, and Fargate allows it"
    description = (
        f"ECS kills after 30 seconds unless told otherwise, Fargate after {LONGEST_STOP} at the latest."
    )

    def match(self, cfn: Template) -> list[RuleMatch]:
        return [
            RuleMatch(
                [*path, "StopTimeout"], f"StopTimeout has to be between 1 and {LONGEST_STOP}, not {seconds}"
            )
            for path, container in _containers(cfn)
            if container.get("PortMappings")
            for seconds in possible(cfn.template, container.get("StopTimeout"))
            if not (seconds.isdecimal() and 1 <= int(seconds) <= LONGEST_STOP)
        ]


class Confinement(CloudFormationLintRule):
    id = "E9203"
    shortdesc = "A container has no rights and a root that is only read"
    description = "A user that is not root, a read-only root file system, and no capabilities."

    def match(self, cfn: Template) -> list[RuleMatch]:
        return [
            RuleMatch(path, f"a container needs {wanted}")
            for path, container in _containers(cfn)
            for wanted, holds in (
                ("a user by number, and not 0", re.match(r"[1-9]\d*(:|$)", str(container.get("User")))),
                ("ReadonlyRootFilesystem", container.get("ReadonlyRootFilesystem") is True),
                ("to drop all capabilities and add none", _capabilities(container) == {"Drop": ["ALL"]}),
            )
            if not holds
        ]


def _capabilities(container: dict[str, Any]) -> Any:
    return container.get("LinuxParameters", {}).get("Capabilities")


class ImageByDigest(CloudFormationLintRule):
    id = "E9204"
    shortdesc = "An image is named by its digest"
    description = (
        "A tag can come to mean another image, between two tasks of one deployment and before a rollback."
    )

    def match(self, cfn: Template) -> list[RuleMatch]:
        return [
            RuleMatch([*path, "Image"], "an image is named by its digest: …@${Digest}")
            for path, container in _containers(cfn)
            if not _names_digest(cfn.template, container.get("Image"))
        ]


def _names_digest(template: dict[str, Any], image: Any) -> bool:
    match image:
        case {"Fn::Sub": [str(text), dict(values)]}:
            pass
        case {"Fn::Sub": str(text)} | str(text):
            values = {}
        case _:
            return False
    variable = re.search(r"@\$\{(\w+)\}$", text)
    if variable:
        return _is_digest(template, values.get(variable[1], {"Ref": variable[1]}), {DIGEST})
    return re.search(f"@{DIGEST}$", text) is not None


def _is_digest(template: dict[str, Any], value: Any, patterns: set[str]) -> bool:
    """Whether `value` is a parameter, or a choice of parameters, that take a digest alone."""
    match value:
        case {"Fn::If": [_, yes, no]}:
            # A condition can see to it that a parameter which may be empty is taken only where it is not.
            optional = {DIGEST, f"({DIGEST})?"}
            return _is_digest(template, yes, optional) and _is_digest(template, no, optional)
        case {"Ref": name}:
            return template["Parameters"].get(name, {}).get("AllowedPattern") in patterns
    return False


class LogDelivery(CloudFormationLintRule):
    id = "E9205"
    shortdesc = "Every container has a log, and it never holds up the server"
    description = "In awslogs' blocking mode a server waits when CloudWatch cannot be reached."

    def match(self, cfn: Template) -> list[RuleMatch]:
        return [
            RuleMatch([*path, "LogConfiguration"], "a container needs awslogs, in the mode non-blocking")
            for path, container in _containers(cfn)
            if container.get("LogConfiguration", {}).get("Options", {}).get("mode") != "non-blocking"
        ]


def _containers(cfn: Template) -> Iterator[Container]:
    for path, task in resources(cfn.template, TASK_DEFINITION):
        for container in branches(task["ContainerDefinitions"]):
            yield [*path, "ContainerDefinitions"], container
