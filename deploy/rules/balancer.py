"""Rules about listeners and target groups that carry gRPC."""

import re
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

from deploy.rules.values import possible, resources

LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"

POLICIES = re.compile(r"ELBSecurityPolicy-TLS13-1-[23](-(Res|FIPS))*(-PQ)?-(2021-06|2023-04|2025-09)")
"""Those with TLS 1.2 or 1.3 and authenticated encryption alone, which is what HTTP/2 allows."""

DRAINING = 14
"""UNAVAILABLE, which a server that is not ready answers."""


class ListenerProtocol(CloudFormationLintRule):
    id = "E9101"
    shortdesc = "The listener of a gRPC target group speaks HTTPS"
    description = "A balancer forwards gRPC from HTTPS listeners alone, and needs a certificate for them."

    def match(self, cfn: Template) -> list[RuleMatch]:
        return [
            RuleMatch([*path, "Protocol"], "a listener for gRPC needs the protocol HTTPS and a certificate")
            for path, listener in resources(cfn.template, LISTENER)
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
            for path, listener in resources(cfn.template, LISTENER)
            for policy in possible(cfn.template, listener.get("SslPolicy")) or {"none"}
            if not POLICIES.fullmatch(policy)
        ]


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
                ("Protocol", "HTTP or HTTPS", _is_http(possible(cfn.template, group.get("Protocol")))),
                (
                    "HealthCheckProtocol",
                    "Protocol",
                    group.get("HealthCheckProtocol") == group.get("Protocol"),
                ),
            )
            if not holds
        ]


def _is_http(protocols: set[str]) -> bool:
    return bool(protocols) and protocols <= {"HTTP", "HTTPS"}


class HealthMatcher(CloudFormationLintRule):
    id = "E9104"
    shortdesc = "The matcher tells a ready target from one that drains"
    description = (
        "Codes are 0 to 99, lists and ranges of them; 14 is what a server answers that is not ready."
    )

    def match(self, cfn: Template) -> list[RuleMatch]:
        return [
            RuleMatch([*path, "Matcher"], problem)
            for path, group in resources(cfn.template, TARGET_GROUP)
            for problem in _matcher_problems(cfn.template, group.get("Matcher", {}))
        ]


def _matcher_problems(template: dict[str, Any], matcher: dict[str, Any]) -> list[str]:
    if set(matcher) != {"GrpcCode"}:
        return ["a gRPC target group is matched by GrpcCode, and by nothing else"]
    codes = {text: _codes(text) for text in possible(template, matcher["GrpcCode"])}
    if not codes:
        return ["GrpcCode has to be known before the deployment"]
    return [
        f"GrpcCode {text} is no list of codes from 0 to 99, or contains {DRAINING}"
        for text, members in codes.items()
        if not members or max(members) > 99 or DRAINING in members
    ]


def _codes(text: str) -> set[int]:
    """The codes of a matcher such as `12`, `0,12` or `0-5`; none if it is malformed."""
    if not re.fullmatch(r"\d{1,3}([,-]\d{1,3})*", text):
        return set()
    ranges = [[int(bound) for bound in part.split("-")] for part in text.split(",")]
    return {code for bounds in ranges for code in range(bounds[0], bounds[-1] + 1)}
