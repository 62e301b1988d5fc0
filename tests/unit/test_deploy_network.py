"""The network of a deployment: which ways there are, who may take them, and that they exist in time."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cloudformation import Stack
from tests.support.deployments import DEPLOYMENTS, REQUIRED, deployed

Opening = tuple[str, str, Any, Any, str]
"""Whose group, which way, first and last port, and who is at the other end."""

CLIENTS = REQUIRED["ClientCidr"]
HOPS: set[Opening] = {
    ("LoadBalancerSecurityGroup", "in", 50051, 50051, CLIENTS),
    ("LoadBalancerSecurityGroup", "out", 50051, 50051, "<TaskSecurityGroup>"),
    ("TaskSecurityGroup", "in", 50051, 50051, "<LoadBalancerSecurityGroup>"),
}
DATABASE: Opening = ("DatabaseSecurityGroup", "in", 5432, 5432, "<TaskSecurityGroup>")
ENDPOINTS: Opening = ("EndpointSecurityGroup", "in", 443, 443, "<TaskSecurityGroup>")
PEERS = {"CidrIp", "SourceSecurityGroupId", "DestinationSecurityGroupId"}


def openings(stack: Stack) -> set[Opening]:
    """All that the security groups allow, wherever the template says it."""
    return {
        (group, way, rule["FromPort"], rule["ToPort"], peer)
        for group, way, rule in _rules(stack)
        for peer in (rule[key] for key in PEERS & rule.keys())
    }


def _rules(stack: Stack) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for kind, way in (("Ingress", "in"), ("Egress", "out")):
        for name in stack.kinds("AWS::EC2::SecurityGroup"):
            yield from ((name, way, rule) for rule in stack[name].get(f"SecurityGroup{kind}", []))
        for name in stack.kinds(f"AWS::EC2::SecurityGroup{kind}"):
            yield stack[name]["GroupId"].strip("<>"), way, stack[name]


def tasks_network(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = stack["Service"]["NetworkConfiguration"]["AwsvpcConfiguration"]
    return found


def routes(stack: Stack) -> dict[str, dict[str, str]]:
    """The properties of every route, by its table."""
    return {stack[name]["RouteTableId"]: stack[name] for name in stack.kinds("AWS::EC2::Route")}


def tables(stack: Stack) -> dict[str, str]:
    """The route table of each subnet."""
    associations = [stack[name] for name in stack.kinds("AWS::EC2::SubnetRouteTableAssociation")]
    return {item["SubnetId"]: item["RouteTableId"] for item in associations}


def waited_for(stack: Stack, name: str) -> set[str]:
    """What a resource waits for without using it."""
    return set(_flat(stack.resources[name]["Metadata"]["After"])) - {""}


def _flat(items: Any) -> Iterator[str]:
    if isinstance(items, str):
        yield items
    else:
        for item in items:
            yield from _flat(item)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("as it comes", {DATABASE}),
        ("one task with SQLite", set()),
        ("Aurora without a way out", {DATABASE, ENDPOINTS}),
        ("RDS without a way out", {DATABASE, ENDPOINTS}),
        ("into what exists", set()),
        ("RDS in an existing VPC", {DATABASE}),
    ],
)
def test_each_hop_lets_in_only_the_one_before(name: str, more: set[Opening]) -> None:
    assert openings(deployed(name)) == HOPS | more


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_opening_is_for_tcp(name: str) -> None:
    assert {rule["IpProtocol"] for _, _, rule in _rules(deployed(name))} == {"tcp"}


def test_only_public_subnets_have_a_way_out() -> None:
    assert tables(deployed("RDS without a way out")) == {
        "<PublicSubnetA>": "<PublicRoutes>",
        "<PublicSubnetB>": "<PublicRoutes>",
        "<PrivateSubnetA>": "<PrivateRoutes>",
        "<PrivateSubnetB>": "<PrivateRoutes>",
    }
    assert routes(deployed("RDS without a way out")) == {
        "<PublicRoutes>": {
            "RouteTableId": "<PublicRoutes>",
            "DestinationCidrBlock": "0.0.0.0/0",
            "GatewayId": "<InternetGateway>",
        }
    }


def test_all_of_it_is_in_the_network_that_is_made() -> None:
    stack = deployed("RDS without a way out")

    assert stack["Vpc"]["CidrBlock"] == "10.50.0.0/16"
    # The names of the endpoints resolve to addresses in the network only with both.
    assert (stack["Vpc"]["EnableDnsHostnames"], stack["Vpc"]["EnableDnsSupport"]) == (True, True)
    assert stack["GatewayAttachment"] == {"VpcId": "<Vpc>", "InternetGatewayId": "<InternetGateway>"}
    for kind in ("Subnet", "RouteTable", "VPCEndpoint", "SecurityGroup"):
        assert {stack[name]["VpcId"] for name in stack.kinds(f"AWS::EC2::{kind}")} == {"<Vpc>"}


def test_the_subnets_of_each_pair_are_in_two_zones() -> None:
    stack = deployed()

    for pair in ("Public", "Private"):
        zones = [stack[f"{pair}Subnet{letter}"]["AvailabilityZone"] for letter in "AB"]
        assert zones == ["eu-north-1a", "eu-north-1b"]


def test_public_tasks_pay_for_no_endpoints() -> None:
    stack = deployed()

    assert stack.kinds("AWS::EC2::VPCEndpoint") == []
    assert tasks_network(stack)["AssignPublicIp"] == "ENABLED"
    assert tasks_network(stack)["SecurityGroups"] == ["<TaskSecurityGroup>"]
    assert tasks_network(stack)["Subnets"] == ["<PublicSubnetA>", "<PublicSubnetB>"]
    assert stack["DatabaseSubnets"]["SubnetIds"] == ["<PrivateSubnetA>", "<PrivateSubnetB>"]
    assert "PrivateSubnetA" not in deployed("one task with SQLite").resources


def test_private_tasks_reach_aws_by_endpoints_alone() -> None:
    stack = deployed("RDS without a way out")

    assert tasks_network(stack)["Subnets"] == ["<PrivateSubnetA>", "<PrivateSubnetB>"]
    assert tasks_network(stack)["AssignPublicIp"] == "DISABLED"
    assert stack["LoadBalancer"]["Subnets"] == ["<PublicSubnetA>", "<PublicSubnetB>"]
    endpoints = {name: stack[name] for name in stack.kinds("AWS::EC2::VPCEndpoint")}
    assert {item["ServiceName"].removeprefix("com.amazonaws.eu-north-1.") for item in endpoints.values()} == {
        "s3",
        "ecr.api",
        "ecr.dkr",
        "logs",
        "secretsmanager",
    }
    assert endpoints.pop("S3Endpoint")["RouteTableIds"] == ["<PrivateRoutes>"]
    for item in endpoints.values():
        assert (item["VpcEndpointType"], item["PrivateDnsEnabled"]) == ("Interface", True)
        assert item["SubnetIds"] == ["<PrivateSubnetA>", "<PrivateSubnetB>"]
        assert item["SecurityGroupIds"] == ["<EndpointSecurityGroup>"]


def test_what_exists_is_used_and_not_made() -> None:
    stack = deployed("RDS in an existing VPC")

    made = {stack.resources[name]["Type"] for name in stack.kinds("AWS::EC2")}
    assert made == {
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
    }
    assert {stack[name]["VpcId"] for name in stack.kinds("AWS::EC2::SecurityGroup")} == {"vpc-0a"}
    assert stack["TargetGroup"]["VpcId"] == "vpc-0a"
    assert stack["LoadBalancer"]["Subnets"] == ["subnet-0a", "subnet-0b"]
    assert tasks_network(stack)["Subnets"] == stack["DatabaseSubnets"]["SubnetIds"]
    assert tasks_network(stack)["Subnets"] == ["subnet-0c", "subnet-0d"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_balancer_and_the_tasks_find_their_routes(name: str) -> None:
    stack = deployed(name)
    public = {
        f"<{item}>" for item in ("DefaultRoute", "PublicRoutesA", "PublicRoutesB") if item in stack.resources
    }
    policy = {f"<{item}>" for item in stack.kinds("AWS::S3::BucketPolicy")}

    assert waited_for(stack, "LoadBalancer") == public | policy
    private = stack.kinds("AWS::EC2::VPCEndpoint")
    private += ["PrivateRoutesA", "PrivateRoutesB"] if private else []
    database = {"<DatabaseWriter>"} if "DatabaseWriter" in stack.resources else set()
    assert waited_for(stack, "Service") == public | {f"<{item}>" for item in private} | database


def test_the_tasks_come_last() -> None:
    assert deployed().resources["Service"]["DependsOn"] == [
        "Listener",
        "TasksFromLoadBalancer",
        "LoadBalancerToTasks",
    ]
    assert deployed().resources["DefaultRoute"]["DependsOn"] == "GatewayAttachment"


def test_one_off_tasks_are_started_where_the_others_run() -> None:
    assert "subnets=[<PublicSubnetA>,<PublicSubnetB>]" in deployed().outputs["OneOffTaskCommand"]
    assert "assignPublicIp=ENABLED" in deployed().outputs["OneOffTaskCommand"]
    private = deployed("RDS without a way out").outputs["OneOffTaskCommand"]
    assert "subnets=[<PrivateSubnetA>,<PrivateSubnetB>]" in private
    assert "securityGroups=[<TaskSecurityGroup>]" in private
    assert "assignPublicIp=DISABLED" in private
    existing = deployed("into what exists").outputs["OneOffTaskCommand"]
    assert "subnets=[subnet-0c,subnet-0d]" in existing
