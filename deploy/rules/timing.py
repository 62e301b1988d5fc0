"""Rules about times that have to fit each other: health checks, and how a task leaves."""

from collections.abc import Callable, Iterator
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

from deploy.rules.balancer import TARGET_GROUP
from deploy.rules.tasks import TASK_DEFINITION
from deploy.rules.values import branches, possible, resources

LOAD_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
SERVICE = "AWS::ECS::Service"

Times = dict[str, float]

LAST_WORDS = 4.5
"""Seconds for the last telemetry (2.5), and for the last answers and the end of the process (2)."""

SERVER_TIMES = {
    "delay": "ROUTEGUIDE_DRAIN_DELAY",
    "grace": "ROUTEGUIDE_STOP_GRACE",
    "storage": "ROUTEGUIDE_STORAGE_TIMEOUT",
    "age": "ROUTEGUIDE_STREAM_MAX_AGE",
    "platform": "ROUTEGUIDE_PLATFORM_STOP_TIMEOUT",
}
GROUP_TIMES = {
    "interval": "HealthCheckIntervalSeconds",
    "timeout": "HealthCheckTimeoutSeconds",
    "healthy": "HealthyThresholdCount",
    "unhealthy": "UnhealthyThresholdCount",
}


class HealthCheckTimes(CloudFormationLintRule):
    id = "E9301"
    shortdesc = "A health check is over before the next one begins"
    description = "The API takes intervals of 5 to 300 seconds, time-outs of 2 to 120, thresholds of 2 to 10."

    def match(self, cfn: Template) -> list[RuleMatch]:
        return _broken(cfn, TARGET_GROUP, _check_inequalities)


class DrainInequality(CloudFormationLintRule):
    id = "E9302"
    shortdesc = (
        "A task has left the balancer before it stops serving, and is not killed before it has stopped"
    )
    description = "In every row of the mapping Timing; docs/operations.md has the reasons."

    def match(self, cfn: Template) -> list[RuleMatch]:
        return _broken(cfn, SERVICE, _drain_inequalities)


class IdleStreams(CloudFormationLintRule):
    id = "E9303"
    shortdesc = "The server ends a quiet stream before the balancer cuts its connection"
    description = "The server says why, and clients reconnect; the balancer says nothing."

    def match(self, cfn: Template) -> list[RuleMatch]:
        return [
            RuleMatch(
                [*path, "LoadBalancerAttributes"], f"{balancers} s idle, but streams may be for {streams}"
            )
            for path, balancer in resources(cfn.template, LOAD_BALANCER)
            for balancers in possible(cfn.template, _idle_timeout(balancer))
            for streams in _idle_streams(cfn.template)
            if not (balancers.isdecimal() and streams.isdecimal() and 0 < int(streams) < int(balancers))
        ]


def _idle_timeout(balancer: dict[str, Any]) -> Any:
    attributes = _attributes(balancer.get("LoadBalancerAttributes", []))
    return attributes.get("idle_timeout.timeout_seconds")


def _idle_streams(template: dict[str, Any]) -> Iterator[str]:
    for container in _containers(template):
        if container.get("PortMappings"):
            yield from possible(template, _variables(container).get("ROUTEGUIDE_STREAM_IDLE_TIMEOUT"))


def _check_inequalities(t: Times) -> dict[str, bool]:
    return {
        "5 <= interval <= 300": 5 <= t["interval"] <= 300,
        "2 <= timeout <= 120": 2 <= t["timeout"] <= 120,
        "timeout < interval": t["timeout"] < t["interval"],
        "thresholds of 2 to 10": all(2 <= t[name] <= 10 for name in ("healthy", "unhealthy")),
    }


def _drain_inequalities(t: Times) -> dict[str, bool]:
    return {
        "interval × unhealthy threshold < drain delay": t["interval"] * t["unhealthy"] < t["delay"],
        "drain delay + stop grace + 2 × storage timeout + last words < StopTimeout": t["delay"]
        + t["grace"]
        + 2 * t["storage"]
        + LAST_WORDS
        < t["stop"],
        "stream age < deregistration delay": t["age"] < t["deregistration"],
        "ROUTEGUIDE_PLATFORM_STOP_TIMEOUT = StopTimeout": t["platform"] == t["stop"],
    }


def _broken(cfn: Template, kind: str, inequalities: Callable[[Times], dict[str, bool]]) -> list[RuleMatch]:
    """What does not hold, in any row of the mapping Timing, for a template that has resources of `kind`."""
    rows = cfn.template.get("Mappings", {}).get("Timing", {"": {}})
    return [
        RuleMatch([*path], f"Timing {name}: {words}")
        for path, _ in resources(cfn.template, kind)
        for name, row in rows.items()
        for words, holds in _checked(inequalities, dict(_times(cfn.template, row))).items()
        if not holds
    ]


def _checked(inequalities: Callable[[Times], dict[str, bool]], times: Times) -> dict[str, bool]:
    try:
        return inequalities(times)
    except KeyError as missing:
        return {f"the time {missing} is a number or from the mapping": False}


def _times(template: dict[str, Any], row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Every time of the template that can be known, by the names used above."""
    for name, value in _written(template):
        match value:
            case {"Fn::FindInMap": ["Timing", _, column]}:
                yield name, float(row[column])
            case str() | int():
                yield name, float(value)


def _written(template: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for _, group in resources(template, TARGET_GROUP):
        yield from ((name, group[key]) for name, key in GROUP_TIMES.items() if key in group)
        attributes = _attributes(group.get("TargetGroupAttributes", []))
        if "deregistration_delay.timeout_seconds" in attributes:
            yield "deregistration", attributes["deregistration_delay.timeout_seconds"]
    for container in _containers(template):
        yield from _of_container(container)


def _of_container(container: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if "StopTimeout" in container:
        yield "stop", container["StopTimeout"]
    variables = _variables(container)
    yield from ((name, variables[key]) for name, key in SERVER_TIMES.items() if key in variables)


def _containers(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for _, task in resources(template, TASK_DEFINITION):
        yield from branches(task["ContainerDefinitions"])


def _variables(container: dict[str, Any]) -> dict[str, Any]:
    return {item["Name"]: item["Value"] for item in branches(container.get("Environment", []))}


def _attributes(items: list[Any]) -> dict[str, Any]:
    return {item["Key"]: item["Value"] for item in branches(items)}
