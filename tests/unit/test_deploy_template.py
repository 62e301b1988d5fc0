"""What the template of the service comes to, for every branch of its conditions."""

import copy
import itertools
import json
from typing import Any

import pytest

from routeguide.settings import PREFIX, Settings
from tests.support.cloudformation import DEPLOY, DanglingError, RefusedError, Stack, resolved, template
from tests.support.deployments import (
    CERTIFICATE,
    DATABASE_SECRET,
    DEPLOYMENTS,
    EXISTING_NETWORK,
    REQUIRED,
    TOKENS_SECRET,
)

SERVICE = template("service.yaml")


def deployed(name: str = "as it comes", **more: str) -> Stack:
    return resolved(SERVICE, **{**REQUIRED, **DEPLOYMENTS[name], **more})


def server(stack: Stack) -> dict[str, Any]:
    """The container that serves."""
    container: dict[str, Any] = stack["TaskDefinition"]["ContainerDefinitions"][0]
    return container


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {item["Name"]: str(item["Value"]) for item in container["Environment"]}


def secrets(container: dict[str, Any]) -> dict[str, str]:
    return {item["Name"]: item["ValueFrom"] for item in container["Secrets"]}


def kinds(stack: Stack, prefix: str) -> list[str]:
    return sorted(name for name, item in stack.resources.items() if item["Type"].startswith(prefix))


def balancer(stack: Stack) -> dict[str, str]:
    return {item["Key"]: item["Value"] for item in stack["LoadBalancer"]["LoadBalancerAttributes"]}


def network(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = stack["Service"]["NetworkConfiguration"]["AwsvpcConfiguration"]
    return found


def statements(stack: Stack, role: str) -> list[dict[str, Any]]:
    return [
        item for policy in stack[role].get("Policies", []) for item in policy["PolicyDocument"]["Statement"]
    ]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_reference_is_to_something_that_is_created(name: str) -> None:
    assert deployed(name).resources


def test_a_reference_to_nothing_would_be_noticed() -> None:
    faulty = copy.deepcopy(SERVICE)
    del faulty["Resources"]["DefaultRoute"]["Condition"]

    with pytest.raises(DanglingError):
        resolved(faulty, **REQUIRED, **EXISTING_NETWORK)


def test_the_deployments_take_every_condition_and_branch_both_ways() -> None:
    stacks = [deployed(name) for name in DEPLOYMENTS]
    both = set(itertools.product(SERVICE["Conditions"], (True, False)))

    assert {item for stack in stacks for item in stack.conditions.items()} == both
    asked = {condition for stack in stacks for condition, _ in stack.branches}
    assert {pair for stack in stacks for pair in stack.branches} == set(
        itertools.product(asked, (True, False))
    )


def test_two_tasks_with_postgresql_as_in_the_post() -> None:
    stack = deployed()

    assert stack["Service"]["DesiredCount"] == "2"
    assert (stack["TaskDefinition"]["Cpu"], stack["TaskDefinition"]["Memory"]) == ("256", "512")
    assert stack["TargetGroup"]["Matcher"] == {"GrpcCode": "12"}
    assert (stack["TargetGroup"]["Protocol"], stack["TargetGroup"]["HealthCheckPath"]) == (
        "HTTP",
        "/AWS.ALB/healthcheck",
    )
    assert (stack["Listener"]["Protocol"], stack["Listener"]["Port"]) == ("HTTPS", 50051)
    assert network(stack)["AssignPublicIp"] == "ENABLED"
    assert (
        network(stack)["Subnets"]
        == stack["LoadBalancer"]["Subnets"]
        == ["<PublicSubnetA>", "<PublicSubnetB>"]
    )
    assert variables(server(stack))["ROUTEGUIDE_STORAGE_URL"].startswith(
        "postgresql://routeguide@<DatabaseInstance."
    )
    assert secrets(server(stack)) == {"PGPASSWORD": "<DatabaseSecret>:password::"}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_tasks_environment_is_one_that_the_server_takes(name: str) -> None:
    settings = variables(server(deployed(name)))
    given: dict[str, Any] = {
        key.removeprefix(PREFIX).lower(): value for key, value in settings.items() if key.startswith(PREFIX)
    }
    assert given.keys() <= Settings.model_fields.keys()

    elsewhere = {"storage_url", "tls_cert_file", "tls_key_file"}  # a database and files that only a task has
    taken = Settings(**{key: given[key] for key in given.keys() - elsewhere})

    assert taken.drain_delay + taken.stop_grace + taken.storage_timeout < taken.platform_stop_timeout


def test_sqlite_is_one_task_and_never_two() -> None:
    stack = deployed("one task with SQLite")
    deployment = stack["Service"]["DeploymentConfiguration"]

    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 100)
    assert variables(server(stack))["ROUTEGUIDE_STORAGE_URL"] == "sqlite:////data/routeguide.db"
    assert variables(server(stack))["ROUTEGUIDE_READY_NEEDS_STORAGE"] == "true"
    assert secrets(server(stack)) == {}
    assert not {"ScalableTarget", "CpuScaling", "OneOffTaskDefinition"} & stack.resources.keys()
    assert kinds(stack, "AWS::RDS") == kinds(stack, "AWS::SecretsManager") == []
    assert "OneOffTaskCommand" not in stack.outputs


def test_others_are_scaled_and_replaced_without_a_gap() -> None:
    stack = deployed()
    deployment = stack["Service"]["DeploymentConfiguration"]

    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (100, 200)
    assert (stack["ScalableTarget"]["MinCapacity"], stack["ScalableTarget"]["MaxCapacity"]) == ("2", "6")
    assert variables(server(stack))["ROUTEGUIDE_READY_NEEDS_STORAGE"] == "false"


def test_quick_timing() -> None:
    stack = deployed("one task with SQLite")

    assert server(stack)["StopTimeout"] == 35
    assert stack["TargetGroup"]["HealthCheckIntervalSeconds"] == 5
    assert variables(server(stack))["ROUTEGUIDE_DRAIN_DELAY"] == "12"


def test_private_tasks_reach_aws_by_endpoints_alone() -> None:
    stack = deployed("Aurora without a way out")

    assert network(stack)["Subnets"] == ["<PrivateSubnetA>", "<PrivateSubnetB>"]
    assert network(stack)["AssignPublicIp"] == "DISABLED"
    endpoints = [stack[name]["ServiceName"] for name in kinds(stack, "AWS::EC2::VPCEndpoint")]
    assert {name.split(".", 3)[3] for name in endpoints} == {
        "s3",
        "ecr.api",
        "ecr.dkr",
        "logs",
        "secretsmanager",
    }
    assert stack["DefaultRoute"]["RouteTableId"] == "<PublicRoutes>"
    assert "assignPublicIp=DISABLED" in stack.outputs["OneOffTaskCommand"]
    assert "subnets=[<PrivateSubnetA>,<PrivateSubnetB>]" in stack.outputs["OneOffTaskCommand"]


def test_public_tasks_pay_for_no_endpoints() -> None:
    assert kinds(deployed(), "AWS::EC2::VPCEndpoint") == []
    assert "PrivateSubnetA" in deployed().resources  # for the database
    assert "PrivateSubnetA" not in deployed("one task with SQLite").resources


def test_aurora_has_a_reader_where_it_shall_survive_a_zone() -> None:
    assert kinds(deployed("Aurora without a way out"), "AWS::RDS::DBInstance") == [
        "DatabaseReader",
        "DatabaseWriter",
    ]
    alone = deployed("Aurora with one instance")
    assert kinds(alone, "AWS::RDS::DBInstance") == ["DatabaseWriter"]
    assert "<DatabaseCluster.Endpoint.Address>" in variables(server(alone))["ROUTEGUIDE_STORAGE_URL"]


def test_tls_to_the_target_and_the_other_health_check() -> None:
    stack = deployed("Aurora with one instance")
    serving, making = stack["TaskDefinition"]["ContainerDefinitions"]

    assert stack["TargetGroup"]["Protocol"] == stack["TargetGroup"]["HealthCheckProtocol"] == "HTTPS"
    assert stack["TargetGroup"]["HealthCheckPath"] == "/grpc.health.v1.Health/Check"
    assert stack["TargetGroup"]["Matcher"] == {"GrpcCode": "0"}
    assert variables(serving)["ROUTEGUIDE_HEALTH_CHECK_FAILS"] == "true"
    assert serving["DependsOn"] == [{"ContainerName": making["Name"], "Condition": "SUCCESS"}]
    assert making["Command"][:2] == ["dev-certs", "/data/tls"]
    assert variables(serving)["ROUTEGUIDE_TLS_KEY_FILE"] == "/data/tls/server.key"
    assert serving["HealthCheck"]["Command"][-2:] == ["--ca-file", "/data/tls/ca.pem"]


def test_plain_targets_have_no_certificate() -> None:
    stack = deployed()

    assert len(stack["TaskDefinition"]["ContainerDefinitions"]) == 1
    assert "DependsOn" not in server(stack)
    assert "ROUTEGUIDE_TLS_CERT_FILE" not in variables(server(stack))
    assert "--ca-file" not in server(stack)["HealthCheck"]["Command"]


def test_what_exists_is_used_and_not_made() -> None:
    stack = deployed("into what exists")

    assert kinds(stack, "AWS::EC2::VPC") == kinds(stack, "AWS::EC2::Subnet") == kinds(stack, "AWS::RDS") == []
    assert not {"Certificate", "AliasRecord"} & stack.resources.keys()
    assert stack["Listener"]["Certificates"] == [{"CertificateArn": CERTIFICATE}]
    assert stack["LoadBalancer"]["Subnets"] == ["subnet-0a", "subnet-0b"]
    assert network(stack)["Subnets"] == ["subnet-0c", "subnet-0d"]
    assert {
        stack[name]["VpcId"] for name in kinds(stack, "AWS::EC2::SecurityGroup") if "VpcId" in stack[name]
    } == {"vpc-0a"}
    assert (
        variables(server(stack))["ROUTEGUIDE_STORAGE_URL"]
        == "postgresql://routeguide@db.example.com:5432/routeguide"
    )
    assert secrets(server(stack)) == {
        "PGPASSWORD": f"{DATABASE_SECRET}:password::",
        "ROUTEGUIDE_AUTH_TOKENS": TOKENS_SECRET,
    }


def test_a_database_in_an_existing_vpc() -> None:
    stack = deployed("RDS in an existing VPC")

    assert stack["DatabaseSubnets"]["SubnetIds"] == ["subnet-0c", "subnet-0d"]
    assert stack["DatabaseSecurityGroup"]["VpcId"] == "vpc-0a"
    assert stack["LoadBalancer"]["Scheme"] == "internal"
    assert "subnets=[subnet-0c,subnet-0d]" in stack.outputs["OneOffTaskCommand"]


def test_certificate_and_alias_are_made_in_the_zone() -> None:
    stack = deployed()

    assert stack["Certificate"]["DomainValidationOptions"][0]["HostedZoneId"] == REQUIRED["HostedZoneId"]
    assert stack["Listener"]["Certificates"] == [{"CertificateArn": "<Certificate>"}]
    assert stack["AliasRecord"]["AliasTarget"]["DNSName"] == "<LoadBalancer.DNSName>"


def test_access_logs() -> None:
    with_logs, without = balancer(deployed("into what exists")), balancer(deployed())

    assert (with_logs["access_logs.s3.enabled"], with_logs["access_logs.s3.bucket"]) == (
        "true",
        "<AccessLogBucket>",
    )
    assert without["access_logs.s3.enabled"] == "false"
    assert "access_logs.s3.bucket" not in without
    assert kinds(deployed(), "AWS::S3") == []


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_three_alarms_roll_a_deployment_back(name: str) -> None:
    stack = deployed(name)
    deployment = stack["Service"]["DeploymentConfiguration"]

    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert deployment["Alarms"]["Rollback"]
    assert {f"<{alarm}>" for alarm in kinds(stack, "AWS::CloudWatch::Alarm")} - set(
        deployment["Alarms"]["AlarmNames"]
    ) == {"<NoHealthyTargetAlarm>"}


def test_alarms_go_to_the_topic_if_there_is_one() -> None:
    told, silent = deployed("into what exists"), deployed()

    for alarm in kinds(told, "AWS::CloudWatch::Alarm"):
        assert told[alarm]["AlarmActions"] == [DEPLOYMENTS["into what exists"]["AlarmTopicArn"]]
        assert "AlarmActions" not in silent[alarm]


def test_the_dashboard_shows_calls() -> None:
    widgets = json.loads(deployed()["Dashboard"]["DashboardBody"])["widgets"]

    names = {
        metric[1]
        for widget in widgets
        if widget["type"] == "metric"
        for metric in widget["properties"]["metrics"]
    }
    assert {"GrpcRequestCount", "HealthyHostCount", "CPUUtilization", "route-guide-FailedCalls"} <= names


def test_failed_calls_are_counted_in_the_log_that_is_written() -> None:
    pattern = deployed()["FailedCalls"]["FilterPattern"]

    assert pattern == '{ $.event = "call" && $.level = "warning" }'
    assert variables(server(deployed()))["ROUTEGUIDE_LOG_FORMAT"] == "json"


def test_roles_allow_the_least() -> None:
    stack = deployed("into what exists")

    everywhere = [item["Action"] for item in statements(stack, "ExecutionRole") if item["Resource"] == "*"]
    assert everywhere == ["ecr:GetAuthorizationToken"]
    readable = [
        item["Resource"]
        for item in statements(stack, "ExecutionRole")
        if item["Action"] == "secretsmanager:GetSecretValue"
    ]
    assert readable == [DATABASE_SECRET, TOKENS_SECRET]
    assert [item["Action"] for item in statements(deployed("one task with SQLite"), "ExecutionRole")][1:] == [
        ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        ["logs:CreateLogStream", "logs:PutLogEvents"],
    ]


def test_the_role_is_taken_by_this_account_s_tasks_alone() -> None:
    [statement] = deployed()["ExecutionRole"]["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123412341234"}


def test_each_hop_lets_in_only_the_one_before() -> None:
    stack = deployed()

    assert stack["LoadBalancerSecurityGroup"]["SecurityGroupIngress"][0]["CidrIp"] == REQUIRED["ClientCidr"]
    assert stack["TasksFromLoadBalancer"]["SourceSecurityGroupId"] == "<LoadBalancerSecurityGroup>"
    assert (
        stack["DatabaseSecurityGroup"]["SecurityGroupIngress"][0]["SourceSecurityGroupId"]
        == "<TaskSecurityGroup>"
    )
    assert not stack["DatabaseInstance"]["PubliclyAccessible"]


def test_one_off_tasks_can_be_ahead_of_the_service() -> None:
    ahead = deployed("into what exists")["OneOffTaskDefinition"]["ContainerDefinitions"][0]
    same = deployed()["OneOffTaskDefinition"]["ContainerDefinitions"][0]

    assert ahead["Image"].endswith("@sha256:" + "b" * 64)
    assert same["Image"] == server(deployed())["Image"]
    assert secrets(same) == secrets(server(deployed()))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Storage": "sqlite"}, "several stores"),
        ({"Storage": "sqlite", "DesiredCount": "1"}, "several stores"),
        ({"TaskMemory": "4096"}, "256 CPU units"),
        ({"TaskCpu": "512"}, "512 CPU units"),
        ({"TaskCpu": "1024", "TaskMemory": "1024"}, "1024 CPU units"),
        ({"TaskCpu": "2048", "TaskMemory": "2048"}, "2048 CPU units"),
        ({"TaskCpu": "4096", "TaskMemory": "4096"}, "4096 CPU units"),
        ({"Storage": "external"}, "needs StorageUrl"),
        ({"Storage": "external"}, "needs DatabaseSecretArn"),
        ({"HostedZoneId": ""}, "needs HostedZoneId"),
        ({"VpcId": "vpc-0a"}, "needs PublicSubnetIds"),
        ({**EXISTING_NETWORK, "TaskSubnetIds": ""}, "needs TaskSubnetIds"),
        ({"ImageDigest": "latest"}, "ImageDigest is refused"),
        ({"HealthMatcher": "0-99"}, "HealthMatcher is refused"),
        ({"IdleTimeout": "4001"}, "IdleTimeout is refused"),
        ({"StorageUrl": "postgresql://routeguide:secret@db/routeguide"}, "StorageUrl is refused"),
        ({"SslPolicy": "ELBSecurityPolicy-2016-08"}, "SslPolicy is refused"),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        deployed(**given)


def test_what_has_no_default_must_be_given() -> None:
    with pytest.raises(RefusedError) as refused:
        resolved(SERVICE)

    assert set(refused.value.problems) == {
        f"{name} is missing" for name in REQUIRED if name != "HostedZoneId"
    }


def test_the_registry_keeps_what_was_pushed() -> None:
    repository = resolved(template("registry.yaml"))["Repository"]

    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    rules = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert [rule["selection"]["countNumber"] for rule in rules] == [7, 30]


@pytest.mark.parametrize("name", ["registry.yaml", "service.yaml"])
def test_a_template_fits_into_a_request(name: str) -> None:
    assert (DEPLOY / name).stat().st_size < 51_200  # more would have to be uploaded to S3 first
