"""Ways to deploy the service: parameters that together take every branch of the template both ways."""

from typing import Any

from tests.support.cloudformation import Stack, resolved, template

REQUIRED = {
    "ImageDigest": "sha256:" + "a" * 64,
    "DomainName": "routeguide.example.com",
    "HostedZoneId": "Z0123456789",
    "ClientCidr": "203.0.113.7/32",
}
EXISTING_NETWORK = {
    "VpcId": "vpc-0a",
    "PublicSubnetIds": "subnet-0a,subnet-0b",
    "TaskSubnetIds": "subnet-0c,subnet-0d",
}
DATABASE_SECRET = "arn:aws:secretsmanager:eu-north-1:123412341234:secret:database-abcdef"  # noqa: S105  # a name
TOKENS_SECRET = "arn:aws:secretsmanager:eu-north-1:123412341234:secret:tokens-abcdef"  # noqa: S105  # a name
CERTIFICATE = "arn:aws:acm:eu-north-1:123412341234:certificate/0123-4567"

DEPLOYMENTS = {
    "as it comes": {},
    "one task with SQLite": {
        "Storage": "sqlite",
        "DesiredCount": "1",
        "MaxCount": "1",
        "DrainTiming": "quick",
    },
    "Aurora without a way out": {"Storage": "aurora", "DatabaseMultiAz": "true", "TaskNetwork": "private"},
    "Aurora with one instance": {"Storage": "aurora", "TargetTls": "true", "HealthMatcher": "0"},
    "into what exists": {
        **EXISTING_NETWORK,
        "TaskNetwork": "private",
        "Storage": "external",
        "StorageUrl": "postgresql://routeguide@db.example.com:5432/routeguide",
        "DatabaseSecretArn": DATABASE_SECRET,
        "CertificateArn": CERTIFICATE,
        "HostedZoneId": "",
        "AuthTokensSecretArn": TOKENS_SECRET,
        "OneOffImageDigest": "sha256:" + "b" * 64,
        "AlarmTopicArn": "arn:aws:sns:eu-north-1:123412341234:alarms",
        "AccessLogs": "true",
    },
    "RDS in an existing VPC": {**EXISTING_NETWORK, "Scheme": "internal"},
    "RDS without a way out": {"TaskNetwork": "private", "DatabaseMultiAz": "true", "DrainTiming": "quick"},
}
"""What each gives beside, or instead of, what is required."""


def deployed(name: str = "as it comes", **more: str) -> Stack:
    """The stack of one of the deployments, with `more` parameters instead of its own."""
    return resolved(template("service.yaml"), **{**REQUIRED, **DEPLOYMENTS[name], **more})


def containers(stack: Stack, task: str = "TaskDefinition") -> dict[str, dict[str, Any]]:
    """The containers of a task definition by name."""
    return {container["Name"]: container for container in stack[task]["ContainerDefinitions"]}


def server(stack: Stack) -> dict[str, Any]:
    """The container that serves."""
    return containers(stack)["routeguide"]


def variables(container: dict[str, Any]) -> dict[str, str]:
    """The environment of a container, as its process sees it."""
    return {item["Name"]: str(item["Value"]) for item in container["Environment"]}


def secrets(container: dict[str, Any]) -> dict[str, str]:
    """The variables of a container that come from Secrets Manager, with what each is taken from."""
    return {item["Name"]: item["ValueFrom"] for item in container["Secrets"]}
