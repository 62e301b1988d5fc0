"""Each rule of deploy/rules catches its fault: the templates are sound, and one change makes them unsound."""

import asyncio
import copy
import os
import sys
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
MISSING = object()

FAULTS = [
    ("E9101", LISTENER + "Protocol", "HTTP"),
    ("E9101", LISTENER + "Certificates", MISSING),
    ("E9102", LISTENER + "SslPolicy", MISSING),
    ("E9102", LISTENER + "SslPolicy", "ELBSecurityPolicy-2016-08"),
    ("E9102", LISTENER + "SslPolicy", "ELBSecurityPolicy-TLS13-1-2-2121-06"),
    ("E9102", "Parameters.SslPolicy.AllowedValues.1", "ELBSecurityPolicy-TLS13-1-0-2021-06"),
    ("E9103", GROUP + "ProtocolVersion", "GRPC2"),
    ("E9103", GROUP + "ProtocolVersion", MISSING),
    ("E9103", GROUP + "TargetType", "instance"),
    ("E9103", "Mappings.TargetProtocol.false.Name", "TCP"),
    ("E9103", GROUP + "HealthCheckProtocol", "HTTP"),
    ("E9104", GROUP + "Matcher", {"HttpCode": "200"}),
    ("E9104", GROUP + "Matcher", MISSING),
    ("E9104", GROUP + "Matcher.GrpcCode", "120"),
    ("E9104", GROUP + "Matcher.GrpcCode", "0-99"),
    ("E9104", GROUP + "Matcher.GrpcCode", "twelve"),
    ("E9104", "Parameters.HealthMatcher.AllowedValues.1", "0,14"),
    ("E9201", "Parameters.TaskMemory.Default", "256"),
    ("E9201", "Rules.SizeOf256.Assertions.0.Assert.Fn::Contains.0.2", "4096"),
    ("E9201", "Rules.SizeOf4096", MISSING),
    ("E9201", "Resources.OneOffTaskDefinition.Properties.Memory", "512"),
    ("E9202", "Mappings.Timing.quick.StopTimeout", 300),
    ("E9202", CONTAINER + "StopTimeout", MISSING),
    ("E9203", CONTAINER + "User", "root"),
    ("E9203", CONTAINER + "User", "0:0"),
    ("E9203", CONTAINER + "ReadonlyRootFilesystem", False),
    ("E9203", CERTIFICATE + "LinuxParameters", {}),
    (
        "E9204",
        CONTAINER + "Image",
        {"Fn::Sub": "${AWS::AccountId}.dkr.ecr.eu-north-1.amazonaws.com/routeguide:latest"},
    ),
    ("E9205", CONTAINER + "LogConfiguration.Options.mode", "blocking"),
    ("E9205", CONTAINER + "LogConfiguration.Options.mode", MISSING),
    ("E9205", CERTIFICATE + "LogConfiguration", MISSING),
    ("E9301", STANDARD + "CheckTimeout", 10),
    ("E9301", GROUP + "HealthyThresholdCount", 1),
    ("E9301", GROUP + "HealthCheckIntervalSeconds", MISSING),
    ("E9302", STANDARD + "DrainDelay", 20),
    ("E9302", STANDARD + "StopGrace", 30),
    ("E9302", "Mappings.Timing.quick.StreamMaxAge", 60),
    ("E9302", GROUP + "TargetGroupAttributes.0.Value", "120"),
    ("E9302", VARIABLE + "ROUTEGUIDE_PLATFORM_STOP_TIMEOUT.Value", 120),
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


def broken(rules: RulesCollection, source: dict[str, Any]) -> set[str]:
    """The rules that find a fault in `source`."""
    return {rule.id for rule in rules if rule.match(Template("changed.yaml", source))}


@pytest.mark.parametrize("name", ["registry.yaml", "service.yaml"])
def test_the_templates_are_sound(rules: RulesCollection, name: str) -> None:
    assert broken(rules, copy.deepcopy(template(name))) == set()


@pytest.mark.parametrize(("rule", "path", "value"), FAULTS)
def test_a_fault_is_caught(rules: RulesCollection, rule: str, path: str, value: Any) -> None:
    assert rule in broken(rules, changed(path, value))


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
