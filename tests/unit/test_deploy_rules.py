"""Each rule of deploy/rules catches its fault: the templates are sound, and one change makes them unsound."""

import asyncio
import copy
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.rules import RulesCollection
from cfnlint.template import Template

from tests.support.cloudformation import DEPLOY, template

LISTENER = "Resources.Listener.Properties."
GROUP = "Resources.TargetGroup.Properties."
TASK = "Resources.TaskDefinition.Properties."
CONTAINER = TASK + "ContainerDefinitions.0."
VARIABLE = CONTAINER + "Environment."
CERTIFICATE = TASK + "ContainerDefinitions.1.Fn::If.1."
STANDARD = "Mappings.Timing.standard."
CURRENT_POLICY = "ELBSecurityPolicy-TLS13-1-3-2021-06"
MISSING = object()

FAULTS = [
    ("E9101", LISTENER + "Protocol", "HTTP"),
    ("E9101", LISTENER + "Certificates", MISSING),
    ("E9102", LISTENER + "SslPolicy", MISSING),
    ("E9102", LISTENER + "SslPolicy", "ELBSecurityPolicy-2016-08"),
    ("E9102", LISTENER + "SslPolicy", "ELBSecurityPolicy-TLS13-1-2-2121-06"),
    ("E9102", LISTENER + "SslPolicy", "ELBSecurityPolicy-TLS13-1-2-Res-2025-09"),  # there is none
    ("E9102", LISTENER + "SslPolicy", "ELBSecurityPolicy-TLS13-1-2-2021-06"),  # CBC
    ("E9102", LISTENER + "SslPolicy", {"Fn::If": ["HasZone", CURRENT_POLICY, {"Ref": "AWS::NoValue"}]}),
    ("E9102", "Parameters.SslPolicy.AllowedValues", MISSING),
    ("E9102", "Parameters.SslPolicy.AllowedValues.1", "ELBSecurityPolicy-TLS13-1-0-2021-06"),
    ("E9103", GROUP + "ProtocolVersion", "GRPC2"),
    ("E9103", GROUP + "ProtocolVersion", MISSING),
    ("E9103", GROUP + "TargetType", "instance"),
    ("E9103", "Mappings.TargetProtocol.false.Name", "TCP"),
    ("E9103", GROUP + "Protocol", MISSING),
    ("E9103", GROUP + "HealthCheckProtocol", "HTTP"),
    ("E9104", GROUP + "Matcher", {"HttpCode": "200"}),
    ("E9104", GROUP + "Matcher", MISSING),
    ("E9104", GROUP + "Matcher.GrpcCode", "12"),  # whichever path is asked
    ("E9104", GROUP + "HealthCheckPath", "/AWS.ALB/healthcheck"),
    ("E9104", "Mappings.HealthCheck.12.Path", "/"),
    ("E9104", "Mappings.HealthCheck.0", MISSING),
    ("E9104", "Parameters.HealthMatcher.AllowedValues", MISSING),
    ("E9201", "Parameters.TaskMemory.Default", "256"),
    ("E9201", "Rules.SizeOf256.Assertions.0.Assert.Fn::Contains.0.2", "4096"),
    ("E9201", "Rules.SizeOf4096", MISSING),
    ("E9201", "Parameters.TaskCpu.AllowedValues", MISSING),
    ("E9201", "Resources.OneOffTaskDefinition.Properties.Memory", "512"),
    ("E9202", "Mappings.Timing.quick.StopTimeout", 300),
    ("E9202", CONTAINER + "StopTimeout", MISSING),
    ("E9203", CONTAINER + "User", "root"),
    ("E9203", CONTAINER + "User", "0:0"),
    ("E9203", CONTAINER + "ReadonlyRootFilesystem", False),
    ("E9203", CERTIFICATE + "LinuxParameters", {}),
    ("E9203", CONTAINER + "LinuxParameters.Capabilities", {"Drop": ["ALL"], "Add": ["SYS_PTRACE"]}),
    (
        "E9204",
        CONTAINER + "Image",
        {"Fn::Sub": "${AWS::AccountId}.dkr.ecr.eu-north-1.amazonaws.com/routeguide:latest"},
    ),
    ("E9204", CONTAINER + "Image", {"Ref": "ImageDigest"}),
    ("E9204", "Parameters.ImageDigest.AllowedPattern", MISSING),
    ("E9204", "Parameters.ImageDigest.AllowedPattern", "(sha256:[0-9a-f]{64})?"),
    ("E9204", "Parameters.OneOffImageDigest.AllowedPattern", MISSING),
    ("E9205", CONTAINER + "LogConfiguration.Options.mode", "blocking"),
    ("E9205", CONTAINER + "LogConfiguration.Options.mode", MISSING),
    ("E9205", CERTIFICATE + "LogConfiguration", MISSING),
    ("E9301", STANDARD + "CheckTimeout", 10),
    ("E9301", GROUP + "HealthCheckTimeoutSeconds", 1),
    ("E9301", GROUP + "HealthyThresholdCount", 1),
    ("E9301", GROUP + "HealthCheckIntervalSeconds", MISSING),
    ("E9302", STANDARD + "DrainDelay", 20),
    ("E9302", STANDARD + "StopGrace", 30),
    ("E9302", "Mappings.Timing.quick.StreamMaxAge", 60),
    ("E9302", GROUP + "TargetGroupAttributes.0.Value", "120"),
    ("E9302", VARIABLE + "ROUTEGUIDE_PLATFORM_STOP_TIMEOUT.Value", 120),
    ("E9303", "Parameters.IdleTimeout.Default", 60),
    ("E9303", "Parameters.IdleTimeout.MinValue", 120),
    ("E9303", "Parameters.IdleTimeout.MinValue", MISSING),
    ("E9303", "Resources.LoadBalancer.Properties.LoadBalancerAttributes.0", MISSING),
    ("E9303", VARIABLE + "ROUTEGUIDE_STREAM_IDLE_TIMEOUT.Value", "0"),
    ("E9303", VARIABLE + "ROUTEGUIDE_STREAM_IDLE_TIMEOUT", MISSING),
]


@pytest.fixture(scope="module")
def rules() -> RulesCollection:
    """The project's own rules, as cfn-lint finds them."""
    collection = RulesCollection()
    collection.create_from_directory(str(DEPLOY / "rules"))  # type: ignore[no-untyped-call]  # cfn-lint's
    return collection


def changed(path: str, value: Any) -> dict[str, Any]:
    """A copy of the template of the service with `value` at `path`."""
    result = copy.deepcopy(template("service.yaml"))
    *parents, last = path.split(".")
    place: Any = result
    for step in parents:
        place = place[_key(place, step)]
    key = _key(place, last)
    if value is MISSING:
        del place[key]
    else:
        place[key]  # what is not there cannot be changed
        place[key] = value
    return result


def _key(place: Any, step: str) -> str | int:
    """What `step` is in `place`: a member of a list goes by its number or by its `Name`."""
    if not isinstance(place, list):
        return step
    return int(step) if step.isdecimal() else [item.get("Name") for item in place].index(step)


@cache
def _sound() -> Template:
    return Template("service.yaml", copy.deepcopy(template("service.yaml")))


def broken(rules: RulesCollection, source: dict[str, Any]) -> set[str]:
    """The rules that find a fault in `source`."""
    cfn = copy.copy(_sound())
    cfn.template = source  # no rule looks at anything else, and the rest takes a while to make
    return {rule.id for rule in rules if rule.match(cfn)}


@pytest.mark.parametrize("name", ["registry.yaml", "service.yaml"])
def test_the_templates_are_sound(rules: RulesCollection, name: str) -> None:
    assert broken(rules, copy.deepcopy(template(name))) == set()


@pytest.mark.parametrize(("rule", "path", "value"), FAULTS)
def test_a_fault_is_caught(rules: RulesCollection, rule: str, path: str, value: Any) -> None:
    assert rule in broken(rules, changed(path, value))


@pytest.mark.parametrize(
    "matcher",
    ["120", "12,120", "0-99", "twelve", "", "0,", "0,14", "0-5-7", "9-3,12", "9-3,0", "5", "0;12"],
)
def test_a_matcher_that_misleads_is_caught(rules: RulesCollection, matcher: str) -> None:
    source = changed("Parameters.HealthMatcher.AllowedValues.1", matcher)
    source["Mappings"]["HealthCheck"][matcher] = source["Mappings"]["HealthCheck"]["0"]

    assert broken(rules, source) == {"E9104"}


@pytest.mark.parametrize("matcher", ["0", "0,12", "0-5", "0-13,15-99"])
def test_a_matcher_that_tells_what_is_ready(rules: RulesCollection, matcher: str) -> None:
    source = changed("Parameters.HealthMatcher.AllowedValues.1", matcher)
    source["Mappings"]["HealthCheck"][matcher] = source["Mappings"]["HealthCheck"]["0"]

    assert broken(rules, source) == set()


def test_a_health_check_takes_no_longer_than_can_be_set(rules: RulesCollection) -> None:
    source = changed(GROUP + "HealthCheckIntervalSeconds", 300)
    source["Mappings"]["Timing"]["standard"]["CheckTimeout"] = 200

    assert "E9301" in broken(rules, source)


def with_a_redirect(*listener_rules: dict[str, Any]) -> dict[str, Any]:
    """The template of the service with a listener on port 80, as one adds it for browsers."""
    source = copy.deepcopy(template("service.yaml"))
    source["Resources"]["Plain"] = {
        "Type": "AWS::ElasticLoadBalancingV2::Listener",
        "Properties": {
            "LoadBalancerArn": {"Ref": "LoadBalancer"},
            "Port": 80,
            "Protocol": "HTTP",
            "DefaultActions": [
                {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "StatusCode": "HTTP_301"}}
            ],
        },
    }
    for number, rule in enumerate(listener_rules):
        source["Resources"][f"Rule{number}"] = rule
    return source


def test_a_listener_that_only_redirects_may_be_plain(rules: RulesCollection) -> None:
    assert broken(rules, with_a_redirect()) == set()


def test_a_listener_with_a_rule_that_forwards_may_not(rules: RulesCollection) -> None:
    actions = [{"Type": "forward", "TargetGroupArn": {"Ref": "TargetGroup"}}]
    rule = {
        "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
        "Properties": {"ListenerArn": {"Ref": "Plain"}, "Actions": actions},
    }

    assert broken(rules, with_a_redirect(rule)) == {"E9101", "E9102"}


def test_every_rule_has_a_fault(rules: RulesCollection) -> None:
    assert {rule.id for rule in rules} == {rule for rule, _, _ in FAULTS}


@pytest.mark.timeout(240)  # a process of its own, which a busy machine makes wait
async def test_cfn_lint_runs_them(tmp_path: Path) -> None:
    faulty = tmp_path / "faulty.yaml"
    faulty.write_text(yaml.safe_dump(plain(changed(GROUP + "Matcher.GrpcCode", "120"))))
    command = (
        str(Path(sys.executable).with_name("cfn-lint")),
        "--append-rules",
        "deploy/rules",
        "--template",
        str(faulty),
    )

    process = await asyncio.create_subprocess_exec(
        *command, cwd=DEPLOY.parent, env={**os.environ, "PYTHONPATH": "."}, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(200):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert b"E9104" in out
    assert process.returncode == 2


def plain(value: Any) -> Any:
    """`value` in ordinary dictionaries, lists and texts, which every writer knows."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if isinstance(value, bool | int | float) else str(value)
