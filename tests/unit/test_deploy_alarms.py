"""What a deployment is watched by: alarms, the log that one of them counts in, the dashboard."""

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from routeguide.observability import configure_logging
from routeguide.observability.access import AccessLog
from routeguide.settings import Settings
from tests.support.cloudformation import Stack, template
from tests.support.deployments import DEPLOYMENTS, deployed, server, variables
from tests.unit.test_metrics import GET_FEATURE, EndedCall

BALANCER = {"LoadBalancer": "<LoadBalancer.LoadBalancerFullName>"}
GROUP = {**BALANCER, "TargetGroup": "<TargetGroup.TargetGroupFullName>"}
ABOVE, BELOW = "GreaterThanThreshold", "LessThanThreshold"
ALB, OWN = "AWS/ApplicationELB", "RouteGuide"

ALARMS: dict[str, tuple[str, str, dict[str, str], str, int, str, int, str]] = {
    "UnhealthyTargetsAlarm": (ALB, "UnHealthyHostCount", GROUP, "Maximum", 3, ABOVE, 0, "notBreaching"),
    "BalancerErrorsAlarm": (ALB, "HTTPCode_ELB_5XX_Count", BALANCER, "Sum", 2, ABOVE, 10, "notBreaching"),
    "FailedCallsAlarm": (OWN, "route-guide-FailedCalls", {}, "Sum", 2, ABOVE, 10, "notBreaching"),
    "NoHealthyTargetAlarm": (ALB, "HealthyHostCount", GROUP, "Minimum", 2, BELOW, 1, "breaching"),
}
"""Namespace, metric, dimensions, statistic, minutes, operator, threshold, and what missing data means."""


LEVELS = template("service.yaml")["Parameters"]["LogLevel"]["AllowedValues"]


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def watched(stack: Stack, name: str) -> tuple[Any, ...]:
    alarm = stack[name]
    return (
        alarm["Namespace"],
        alarm["MetricName"],
        {item["Name"]: item["Value"] for item in alarm.get("Dimensions", [])},
        alarm["Statistic"],
        alarm["EvaluationPeriods"] * alarm["Period"] / 60,
        alarm["ComparisonOperator"],
        alarm["Threshold"],
        alarm["TreatMissingData"],
    )


def matches(pattern: str, line: str) -> bool:
    """Whether a metric filter's pattern, of equalities that all have to hold, takes a line of JSON."""
    body = re.fullmatch(r"\{ (.+) \}", pattern)
    assert body
    members = json.loads(line)
    terms = [re.fullmatch(r'\$\.(\w+) = "(\w+)"', term) for term in body[1].split(" && ")]
    return all(term and members.get(term[1]) == term[2] for term in terms)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_alarms_watch_what_they_say(name: str) -> None:
    stack = deployed(name)

    assert {alarm: watched(stack, alarm) for alarm in stack.kinds("AWS::CloudWatch::Alarm")} == ALARMS


def test_three_alarms_roll_a_deployment_back() -> None:
    deployment = deployed()["Service"]["DeploymentConfiguration"]

    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert deployment["Alarms"] == {
        "Enable": True,
        "Rollback": True,
        "AlarmNames": ["<UnhealthyTargetsAlarm>", "<BalancerErrorsAlarm>", "<FailedCallsAlarm>"],
    }


def test_alarms_go_to_the_topic_if_there_is_one() -> None:
    told, silent = deployed("into what exists"), deployed()

    for alarm in ALARMS:
        assert told[alarm]["AlarmActions"] == [DEPLOYMENTS["into what exists"]["AlarmTopicArn"]]
        assert "AlarmActions" not in silent[alarm]


def test_failed_calls_are_counted_from_the_log_of_the_tasks() -> None:
    counting = deployed()["FailedCalls"]

    assert counting["LogGroupName"] == "<LogGroup>"
    assert counting["MetricTransformations"] == [
        {
            "MetricNamespace": "RouteGuide",
            "MetricName": "route-guide-FailedCalls",
            "MetricValue": "1",
            "DefaultValue": 0,
        }
    ]


@pytest.mark.usefixtures("_logging_as_before")
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("code", "counts"), [("INTERNAL", 1), ("UNAVAILABLE", 1), ("INVALID_ARGUMENT", 0)])
def test_what_is_counted_is_what_the_server_writes(
    capsys: pytest.CaptureFixture[str], level: str, code: str, counts: int
) -> None:
    told = variables(server(deployed(LogLevel=level)))
    configure_logging(told["ROUTEGUIDE_LOG_LEVEL"], told["ROUTEGUIDE_LOG_FORMAT"])
    mode = Settings.model_validate({"access_log": told["ROUTEGUIDE_ACCESS_LOG"]}).access_log
    AccessLog(mode).ended(GET_FEATURE, code, 0.25, EndedCall())

    pattern = deployed()["FailedCalls"]["FilterPattern"]
    written = capsys.readouterr().err.splitlines()
    assert sum(matches(pattern, line) for line in written) == counts


def test_logs_are_kept_as_long_as_wanted() -> None:
    assert deployed(LogRetentionDays="7")["LogGroup"]["RetentionInDays"] == "7"


def test_the_dashboard_shows_calls_targets_and_tasks() -> None:
    widgets = json.loads(deployed()["Dashboard"]["DashboardBody"])["widgets"]
    shown = [
        metric
        for widget in widgets
        if widget["type"] == "metric"
        for metric in widget["properties"]["metrics"]
    ]

    assert {metric[1] for metric in shown} == {
        "GrpcRequestCount",
        "HTTPCode_ELB_5XX_Count",
        "route-guide-FailedCalls",
        "HealthyHostCount",
        "UnHealthyHostCount",
        "TargetResponseTime",
        "CPUUtilization",
        "MemoryUtilization",
    }
    [log] = [widget["properties"]["query"] for widget in widgets if widget["type"] == "log"]
    assert log.startswith("SOURCE '<LogGroup>'")
