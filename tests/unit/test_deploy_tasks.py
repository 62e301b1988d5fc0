"""The tasks of a deployment: their containers, what they are told, how many of them run."""

from typing import Any

import pytest

from routeguide.observability.collector import LAST_EXPORT
from routeguide.server.drain import Timing
from routeguide.settings import PREFIX, Settings
from tests.support.cloudformation import Stack
from tests.support.deployments import DEPLOYMENTS, containers, deployed, secrets, server, variables

MOUNTS = [
    {"SourceVolume": "tmp", "ContainerPath": "/tmp", "ReadOnly": False},  # noqa: S108  # a volume's place
    {"SourceVolume": "data", "ContainerPath": "/data", "ReadOnly": False},
]


def fields(names: set[str]) -> set[str]:
    """The settings that variables are for."""
    return {name.removeprefix(PREFIX).lower() for name in names if name.startswith(PREFIX)}


def settings(stack: Stack) -> Settings:
    """What the server makes of its environment. Only a task has the files of its certificate."""
    given: dict[str, Any] = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in variables(server(stack)).items()
        if name.startswith(PREFIX) and not name.startswith(f"{PREFIX}TLS_")
    }
    return Settings(**given)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_tasks_environment_is_one_that_the_server_takes(name: str) -> None:
    stack = deployed(name)
    for container in containers(stack).values():
        names = {item["Name"] for item in container.get("Environment", []) + container.get("Secrets", [])}
        assert fields(names) <= Settings.model_fields.keys()
        assert {item for item in names if not item.startswith(PREFIX)} <= {"PGSSLMODE", "PGPASSWORD"}

    assert settings(stack).storage_url == variables(server(stack))["ROUTEGUIDE_STORAGE_URL"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_stop_and_a_wait_for_the_store_end_in_time(name: str) -> None:
    told, container = settings(deployed(name)), server(deployed(name))
    timing = Timing(told.drain_delay, told.stop_grace, told.longest_storage_wait, telemetry=LAST_EXPORT)

    assert timing.longest < told.platform_stop_timeout == container["StopTimeout"]
    assert told.longest_storage_wait < told.unary_timeout


def test_what_the_server_is_told() -> None:
    told = variables(server(deployed(LogLevel="warning", DatabasePoolSize="2", AutoMigrate="true")))

    del told["ROUTEGUIDE_STORAGE_URL"]
    assert told == {
        "PGSSLMODE": "require",
        "ROUTEGUIDE_LISTEN": "0.0.0.0:50051",
        "ROUTEGUIDE_POSTGRES_POOL_SIZE": "2",
        "ROUTEGUIDE_STORAGE_TIMEOUT": "4",
        "ROUTEGUIDE_AUTO_MIGRATE": "true",
        "ROUTEGUIDE_READY_NEEDS_STORAGE": "false",
        "ROUTEGUIDE_HEALTH_CHECK_FAILS": "false",
        "ROUTEGUIDE_DRAIN_DELAY": "25",
        "ROUTEGUIDE_STOP_GRACE": "20",
        "ROUTEGUIDE_PLATFORM_STOP_TIMEOUT": "60",
        "ROUTEGUIDE_STREAM_IDLE_TIMEOUT": "120",
        "ROUTEGUIDE_STREAM_MAX_AGE": "240",
        "ROUTEGUIDE_TLS_TERMINATED": "true",
        "ROUTEGUIDE_TRUST_FORWARDED_FOR": "true",
        "ROUTEGUIDE_LOG_FORMAT": "json",
        "ROUTEGUIDE_LOG_LEVEL": "warning",
        "ROUTEGUIDE_ACCESS_LOG": "errors",
    }


def test_the_task_is_that_of_the_post() -> None:
    task = deployed()["TaskDefinition"]

    assert (task["Cpu"], task["Memory"]) == ("256", "512")
    assert (task["RequiresCompatibilities"], task["NetworkMode"]) == (["FARGATE"], "awsvpc")
    assert task["RuntimePlatform"] == {"OperatingSystemFamily": "LINUX", "CpuArchitecture": "X86_64"}
    assert (
        deployed(CpuArchitecture="ARM64")["TaskDefinition"]["RuntimePlatform"]["CpuArchitecture"] == "ARM64"
    )


def test_the_server_is_what_the_task_is_for() -> None:
    assert (server(deployed())["Command"], server(deployed())["Essential"]) == (["serve"], True)
    assert deployed()["Service"]["LaunchType"] == "FARGATE"


def test_the_server_writes_to_its_volumes_alone() -> None:
    assert server(deployed())["MountPoints"] == MOUNTS
    assert [volume["Name"] for volume in deployed()["TaskDefinition"]["Volumes"]] == ["tmp", "data"]
    assert server(deployed())["Memory"] == "512"


def test_the_container_s_own_check_has_time_on_a_busy_cpu() -> None:
    assert server(deployed())["HealthCheck"] == {
        "Command": ["CMD", "routeguide", "healthcheck", "--target", "localhost:50051"],
        "Interval": 30,
        "Timeout": 10,
        "Retries": 3,
        "StartPeriod": 30,
    }


def test_tls_to_the_target_takes_a_certificate_that_is_made_first() -> None:
    serving, making = containers(deployed("Aurora with one instance")).values()

    assert making["Command"] == ["dev-certs", "/data/tls", "--days", "365"]
    assert (making["Essential"], making["MountPoints"]) == (False, MOUNTS[1:])
    assert making["Image"] == serving["Image"]
    assert serving["DependsOn"] == [{"ContainerName": making["Name"], "Condition": "SUCCESS"}]
    assert variables(serving)["ROUTEGUIDE_TLS_CERT_FILE"] == "/data/tls/server.pem"
    assert variables(serving)["ROUTEGUIDE_TLS_KEY_FILE"] == "/data/tls/server.key"
    assert variables(serving)["ROUTEGUIDE_HEALTH_CHECK_FAILS"] == "true"
    assert serving["HealthCheck"]["Command"][-2:] == ["--ca-file", "/data/tls/ca.pem"]


def test_plain_targets_have_no_certificate() -> None:
    assert containers(deployed()).keys() == {"routeguide"}
    assert "DependsOn" not in server(deployed())


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_container_logs_to_the_group_under_its_name(name: str) -> None:
    stack = deployed(name)
    logs = [
        container["LogConfiguration"]["Options"]
        for task in stack.kinds("AWS::ECS::TaskDefinition")
        for container in stack[task]["ContainerDefinitions"]
    ]

    assert {options["awslogs-group"] for options in logs} == {"<LogGroup>"}
    assert {options["awslogs-region"] for options in logs} == {"eu-north-1"}
    assert len({options["awslogs-stream-prefix"] for options in logs}) == len(logs)


def test_two_tasks_are_scaled_by_cpu_and_replaced_without_a_gap() -> None:
    stack = deployed()
    deployment = stack["Service"]["DeploymentConfiguration"]

    assert stack["Service"]["DesiredCount"] == "2"
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (100, 200)
    assert (stack["ScalableTarget"]["MinCapacity"], stack["ScalableTarget"]["MaxCapacity"]) == ("2", "6")
    assert stack["ScalableTarget"]["ResourceId"] == "service/<Cluster>/<Service.Name>"
    assert stack["CpuScaling"]["ScalingTargetId"] == "<ScalableTarget>"
    scaling = stack["CpuScaling"]["TargetTrackingScalingPolicyConfiguration"]
    assert scaling["PredefinedMetricSpecification"] == {
        "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
    }
    assert scaling["TargetValue"] == 60


def test_the_service_registers_its_tasks_with_the_balancer() -> None:
    service = deployed()["Service"]

    assert service["LoadBalancers"] == [
        {"ContainerName": "routeguide", "ContainerPort": 50051, "TargetGroupArn": "<TargetGroup>"}
    ]
    assert server(deployed())["PortMappings"] == [{"Name": "grpc", "ContainerPort": 50051, "Protocol": "tcp"}]
    assert service["HealthCheckGracePeriodSeconds"] == 60
    assert (service["Cluster"], service["TaskDefinition"]) == ("<Cluster>", "<TaskDefinition>")


def test_sqlite_is_one_task_and_never_two() -> None:
    stack = deployed("one task with SQLite")
    deployment = stack["Service"]["DeploymentConfiguration"]

    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 100)
    assert variables(server(stack))["ROUTEGUIDE_STORAGE_URL"] == "sqlite:////data/routeguide.db"
    assert variables(server(stack))["ROUTEGUIDE_READY_NEEDS_STORAGE"] == "true"
    assert not {"ScalableTarget", "CpuScaling", "OneOffTaskDefinition"} & stack.resources.keys()
    assert "OneOffTaskCommand" not in stack.outputs


def test_one_off_tasks_can_be_ahead_of_the_service() -> None:
    ahead = containers(deployed("into what exists"), "OneOffTaskDefinition")["routeguide"]
    same = containers(deployed(), "OneOffTaskDefinition")["routeguide"]

    assert ahead["Image"].endswith("@sha256:" + "b" * 64)
    assert same["Image"] == server(deployed())["Image"]
    assert same["Command"] == ["migrate", "--status"]  # harmless, unless told otherwise
    assert secrets(same) == secrets(server(deployed()))
