"""The templates, created against moto, which imitates AWS in this process.

A smoke test: moto accepts the shapes and resolves the references. It loses what matters most here, such as
the protocol version of a target group; tests/unit/test_deploy_template.py and deploy/rules look at that.
"""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.support.cloudformation import resolved, template
from tests.support.deployments import CERTIFICATE, DEPLOYMENTS, REQUIRED

pytestmark = [
    pytest.mark.timeout(240),  # seconds of computing, which a busy machine makes many of
    pytest.mark.filterwarnings("ignore:Tried to parse AWS:UserWarning"),  # kinds that moto does not know
    pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore.*"),  # not ours to mend
]


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "for-moto")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield


def created(name: str, given: dict[str, str], there: dict[str, str]) -> dict[str, str]:
    """Creates the stack of a template, with what is `there` in place of what is named; its outputs."""
    source = template(name)
    conditions = resolved(source, **given).conditions
    parameters = {key: value and there.get(key, value) for key, value in given.items()}
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(
        StackName="route-guide",
        TemplateBody=json.dumps(understood(source, conditions)),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    [stack] = cloudformation.describe_stacks(StackName="route-guide")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def understood(value: Any, conditions: dict[str, bool]) -> Any:
    """The template as moto can read it: without Fn::Cidr, one attribute, and AWS::NoValue in lists."""
    match value:
        case {"Fn::Select": [index, {"Fn::Cidr": _}]}:
            return f"10.50.{index}.0/24"
        case {"Fn::GetAtt": ["TargetGroup", "TargetGroupFullName"]}:
            return "targetgroup/a"
        case {"Fn::If": [condition, yes, no]}:
            return understood(yes if conditions[condition] else no, conditions)
    return _inside(value, conditions)


def _inside(value: Any, conditions: dict[str, bool]) -> Any:
    if isinstance(value, dict):
        return {key: understood(item, conditions) for key, item in value.items()}
    if isinstance(value, list):
        items = [understood(item, conditions) for item in value]
        return [item for item in items if item != {"Ref": "AWS::NoValue"}]
    return str(value).replace("${TargetGroup.TargetGroupFullName}", "a") if isinstance(value, str) else value


def around() -> dict[str, str]:
    """What is there before the stack, by the names that the deployments give it."""
    certificate = boto3.client("acm").request_certificate(DomainName=REQUIRED["DomainName"])
    zone = boto3.client("route53").create_hosted_zone(Name="example.com", CallerReference="1")
    ec2 = boto3.resource("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.60.0.0/16")
    subnets = [
        vpc.create_subnet(CidrBlock=f"10.60.{index}.0/24", AvailabilityZone=f"eu-north-1{'ab'[index % 2]}").id
        for index in range(4)
    ]
    return {
        "CertificateArn": certificate["CertificateArn"],
        "HostedZoneId": zone["HostedZone"]["Id"].removeprefix("/hostedzone/"),
        "VpcId": vpc.id,
        "PublicSubnetIds": ",".join(subnets[:2]),
        "TaskSubnetIds": ",".join(subnets[2:]),
    }


@pytest.mark.parametrize(
    "name", ["as it comes", "one task with SQLite", "into what exists", "RDS without a way out"]
)
def test_the_service_is_created(name: str) -> None:
    given, there = {**REQUIRED, **DEPLOYMENTS[name], "CertificateArn": CERTIFICATE}, around()

    outputs = created("service.yaml", given, there)

    cluster, service = outputs["ClusterName"], outputs["ServiceName"]
    [found] = boto3.client("ecs").describe_services(cluster=cluster, services=[service])["services"]
    assert found["desiredCount"] == int(given.get("DesiredCount", "2"))
    [group] = boto3.client("elbv2").describe_target_groups()["TargetGroups"]
    assert group["Matcher"]["GrpcCode"] == given.get("HealthMatcher", "12")
    [listener] = boto3.client("elbv2").describe_listeners(
        LoadBalancerArn=boto3.client("elbv2").describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    )["Listeners"]
    assert listener["DefaultActions"][0]["TargetGroupArn"] == group["TargetGroupArn"]


def test_the_registry_is_created() -> None:
    outputs = created("registry.yaml", {}, {})

    [repository] = boto3.client("ecr").describe_repositories()["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert outputs == {
        "RepositoryName": repository["repositoryName"],
        "RepositoryUri": repository["repositoryUri"],
    }
