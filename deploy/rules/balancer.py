"""Rules about listeners and target groups that carry gRPC."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

from deploy.rules.values import branches, possible, resources

LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
LISTENER_RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"
TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"

OWN_ANSWERS = {"redirect", "fixed-response"}
"""Actions by which a balancer answers itself, for which plain HTTP on port 80 is right."""

POLICIES = {
    f"ELBSecurityPolicy-TLS13-1-{name}"
    for name in (
        "2-Res-2021-06",
        "2-Res-FIPS-2023-04",
        "2-Res-PQ-2025-09",
        "2-Res-FIPS-PQ-2025-09",
        "3-2021-06",
        "3-FIPS-2023-04",
        "3-PQ-2025-09",
        "3-FIPS-PQ-2025-09",
    )
}
"""Those with TLS 1.2 or 1.3 and authenticated encryption alone, which is what HTTP/2 allows; the same that
AWS Security Hub wants (ELB.17)."""

READY = {"/AWS.ALB/healthcheck": 12, "/grpc.health.v1.Health/Check": 0}
"""What a ready server answers at each path. One that is not ready answers DRAINING at either."""

DRAINING = 14
"""UNAVAILABLE."""


class ListenerProtocol(CloudFormationLintRule):
    id = "E9101"
    shortdesc = "The listener of a gRPC target group speaks HTTPS"
    description = "A balancer forwards gRPC from HTTPS listeners alone, and needs a certificate for them."

    def match(self, cfn: Template) -> list[RuleMatch]:
        return [
            RuleMatch([*path, "Protocol"], "a listener for gRPC needs the protocol HTTPS and a certificate")
            for path, listener in _forwarding(cfn.template)
            if possible(cfn.template, listener.get("Protocol")) != {"HTTPS"}
            or not listener.get("Certificates")
        ]


class TlsPolicy(CloudFormationLintRule):
    id = "E9102"
    shortdesc = "The listener's TLS policy is named, exists and is current"
    description = "Without a policy the API takes that of 2016, which has TLS 1.0."

    def match(self, cfn: Template) -> list[RuleMatch]:
        return [
            RuleMatch([*path, "SslPolicy"], f"not a current TLS policy: {policy}")
            for path, listener in _forwarding(cfn.template)
            for policy in possible(cfn.template, listener.get("SslPolicy"))
            if policy not in POLICIES
        ]


def _forwarding(template: dict[str, Any]) -> Iterator[tuple[list[str | int], dict[str, Any]]]:
    """The listeners that send calls to a target group, by themselves or by a rule of theirs."""
    for path, listener in resources(template, LISTENER):
        actions = [*listener.get("DefaultActions", []), *_ruled(template, path[1])]
        if any(action.get("Type") not in OWN_ANSWERS for action in branches(actions)):
            yield path, listener


def _ruled(template: dict[str, Any], listener: str | int) -> Iterator[Any]:
    for _, rule in resources(template, LISTENER_RULE):
        if rule.get("ListenerArn") == {"Ref": listener}:
            yield from rule.get("Actions", [])


class GroupProtocol(CloudFormationLintRule):
    id = "E9103"
    shortdesc = "A target group carries gRPC to addresses"
    description = (
        "Fargate's tasks are targets of the type ip; the health check speaks the protocol of the calls."
    )

    def match(self, cfn: Template) -> list[RuleMatch]:
        return [
            RuleMatch([*path, key], f"{key} has to be {wanted}")
            for path, group in resources(cfn.template, TARGET_GROUP)
            for key, wanted, holds in (
                ("ProtocolVersion", "GRPC", group.get("ProtocolVersion") == "GRPC"),
                ("TargetType", "ip", group.get("TargetType") == "ip"),
                (
                    "Protocol",
                    "HTTP or HTTPS",
                    possible(cfn.template, group.get("Protocol")) <= {"HTTP", "HTTPS"},
                ),
                (
                    "HealthCheckProtocol",
                    "Protocol",
                    group.get("HealthCheckProtocol") == group.get("Protocol"),
                ),
            )
            if not holds
        ]


class HealthMatcher(CloudFormationLintRule):
    id = "E9104"
    shortdesc = "The matcher tells a ready target from one that drains"
    description = "Codes are 0 to 99, lists and ranges of them. Which one is ready depends on the path."

    def match(self, cfn: Template) -> list[RuleMatch]:
        return [
            RuleMatch([*path, "Matcher"], problem)
            for path, group in resources(cfn.template, TARGET_GROUP)
            for problem in _matcher_problems(cfn.template, group)
        ]


def _matcher_problems(template: dict[str, Any], group: dict[str, Any]) -> Iterator[str]:
    matcher = group.get("Matcher", {})
    if set(matcher) != {"GrpcCode"}:
        yield "a gRPC target group is matched by GrpcCode, and by nothing else"
        return
    for path, text in _checks(template, group.get("HealthCheckPath"), matcher["GrpcCode"]):
        codes = _codes(text)
        if READY.get(path) not in codes or DRAINING in codes:
            yield f"GrpcCode {text} does not tell what is ready at {path}, or lets in {DRAINING}"


def _checks(template: dict[str, Any], path: Any, matcher: Any) -> Iterator[tuple[str, str]]:
    """Every path with every matcher that it can meet; a mapping by the matcher has one path for each."""
    match path:
        case {"Fn::FindInMap": [mapping, key, column]} if key == matcher:
            rows = template["Mappings"][mapping]
            for text in possible(template, matcher):
                yield str(rows.get(text, {}).get(column)), text
        case _:
            yield from product(possible(template, path), possible(template, matcher))


def _codes(text: str) -> set[int]:
    """The codes of a matcher such as `12`, `0,12` or `0-5`; none if it is malformed."""
    codes: set[int] = set()
    for part in text.split(","):
        bounds = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", part)
        members = range(int(bounds[1]), int(bounds[2] or bounds[1]) + 1) if bounds else range(0)
        if not members:
            return set()
        codes |= set(members)
    return codes
