"""The balancer of a deployment: what it listens with, where it sends calls, how it judges targets."""

from typing import Any

import pytest

from tests.support.cloudformation import Stack
from tests.support.deployments import CERTIFICATE, REQUIRED, deployed


def attributes(stack: Stack) -> dict[str, Any]:
    return {item["Key"]: item["Value"] for item in stack["LoadBalancer"]["LoadBalancerAttributes"]}


def group_attributes(stack: Stack) -> dict[str, Any]:
    return {item["Key"]: item["Value"] for item in stack["TargetGroup"]["TargetGroupAttributes"]}


def test_the_balancer_faces_the_internet_unless_told_otherwise() -> None:
    assert deployed()["LoadBalancer"]["Scheme"] == "internet-facing"
    assert deployed("RDS in an existing VPC")["LoadBalancer"]["Scheme"] == "internal"
    assert deployed()["LoadBalancer"]["Type"] == "application"
    assert deployed()["LoadBalancer"]["SecurityGroups"] == ["<LoadBalancerSecurityGroup>"]


def test_the_balancer_says_who_called_and_waits_as_long_as_it_is_told() -> None:
    assert attributes(deployed(IdleTimeout="777")) == {
        "idle_timeout.timeout_seconds": "777",
        "routing.http2.enabled": "true",
        "routing.http.xff_header_processing.mode": "append",
        "access_logs.s3.enabled": "false",
    }


def test_access_logs_go_to_their_bucket() -> None:
    logged = attributes(deployed("into what exists"))

    assert logged["access_logs.s3.enabled"] == "true"
    assert logged["access_logs.s3.bucket"] == "<AccessLogBucket>"
    assert deployed("into what exists").outputs["AccessLogBucketName"] == "<AccessLogBucket>"
    assert deployed().kinds("AWS::S3") == []


def test_the_listener_forwards_what_comes_over_tls() -> None:
    listener = deployed(SslPolicy="ELBSecurityPolicy-TLS13-1-3-2021-06")["Listener"]

    assert listener == {
        "LoadBalancerArn": "<LoadBalancer>",
        "Port": 50051,
        "Protocol": "HTTPS",
        "SslPolicy": "ELBSecurityPolicy-TLS13-1-3-2021-06",
        "Certificates": [{"CertificateArn": "<Certificate>"}],
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": "<TargetGroup>"}],
    }


def test_certificate_and_alias_are_made_in_the_zone() -> None:
    stack, name, zone = deployed(), REQUIRED["DomainName"], REQUIRED["HostedZoneId"]

    assert stack["Certificate"] == {
        "DomainName": name,
        "ValidationMethod": "DNS",
        "DomainValidationOptions": [{"DomainName": name, "HostedZoneId": zone}],
    }
    assert stack["AliasRecord"] == {
        "HostedZoneId": zone,
        "Name": name,
        "Type": "A",
        "AliasTarget": {
            "DNSName": "<LoadBalancer.DNSName>",
            "HostedZoneId": "<LoadBalancer.CanonicalHostedZoneID>",
            "EvaluateTargetHealth": True,
        },
    }


def test_a_certificate_that_exists_is_used_and_no_record_made_without_a_zone() -> None:
    stack = deployed("into what exists")

    assert stack["Listener"]["Certificates"] == [{"CertificateArn": CERTIFICATE}]
    assert not {"Certificate", "AliasRecord"} & stack.resources.keys()


def test_targets_speak_grpc_and_are_checked_as_in_the_post() -> None:
    group = deployed()["TargetGroup"]

    del group["TargetGroupAttributes"]
    assert group == {
        "VpcId": "<Vpc>",
        "TargetType": "ip",
        "Protocol": "HTTP",
        "ProtocolVersion": "GRPC",
        "Port": 50051,
        "HealthCheckEnabled": True,
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": "traffic-port",
        "HealthCheckPath": "/AWS.ALB/healthcheck",
        "HealthCheckIntervalSeconds": 10,
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 2,
        "UnhealthyThresholdCount": 2,
        "Matcher": {"GrpcCode": "12"},
    }


def test_tls_to_the_target_and_the_other_health_check() -> None:
    group = deployed("Aurora with one instance")["TargetGroup"]

    assert group["Protocol"] == group["HealthCheckProtocol"] == "HTTPS"
    assert group["HealthCheckPath"] == "/grpc.health.v1.Health/Check"
    assert group["Matcher"] == {"GrpcCode": "0"}


@pytest.mark.parametrize(("timing", "delay"), [("standard", 300), ("quick", 60)])
def test_targets_that_leave_finish_their_calls(timing: str, delay: int) -> None:
    assert group_attributes(deployed(DrainTiming=timing)) == {
        "deregistration_delay.timeout_seconds": delay,
        "load_balancing.algorithm.type": "least_outstanding_requests",
        "stickiness.enabled": "false",
    }


def test_a_zone_elsewhere_is_told_the_balancer_s_own_name() -> None:
    assert deployed("into what exists").outputs["LoadBalancerName"] == "<LoadBalancer.DNSName>"
