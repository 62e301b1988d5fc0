"""What the stack of the service says about itself can be used as it is."""

import shlex
from typing import Any

import pytest
from google.protobuf import json_format

from routeguide.cli.demo import demo
from routeguide.pb import route_guide_pb2 as pb
from tests.support.deployments import TOKENS_SECRET, deployed

TOKENS = {"AuthTokensSecretArn": TOKENS_SECRET}


def outputs(**given: str) -> dict[str, Any]:
    return deployed(**given).outputs


@pytest.mark.parametrize(
    ("given", "headers"), [({}, []), (TOKENS, ["-H", "authorization: Bearer $TOKEN"])], ids=["open", "tokens"]
)
def test_the_call_is_one_of_the_service(given: dict[str, str], headers: list[str]) -> None:
    said = outputs(**given)
    program, *options, data, target, method = shlex.split(said["GrpcurlCommand"])

    assert (program, options) == ("grpcurl", [*headers, "-d"])
    assert json_format.Parse(data, pb.Point()).latitude == 409146138
    assert target == said["Endpoint"] == "routeguide.example.com:50051"
    service, _, rpc = method.partition("/")
    descriptor = pb.DESCRIPTOR.services_by_name["RouteGuide"]
    assert service == descriptor.full_name
    assert descriptor.methods_by_name[rpc].input_type is pb.Point.DESCRIPTOR


@pytest.mark.parametrize(("given", "file"), [({}, None), (TOKENS, "token")], ids=["open", "tokens"])
def test_the_demo_takes_its_options(given: dict[str, str], file: str | None) -> None:
    said = outputs(**given)
    program, command, *arguments = shlex.split(said["DemoCommand"])

    taken = demo.make_context(command, arguments).params

    assert (program, command) == ("routeguide", demo.name)
    assert (taken["target"], taken["tls"], taken["token_file"]) == (said["Endpoint"], True, file)


def test_a_one_off_task_is_started_in_the_cluster_from_its_definition() -> None:
    said = outputs()

    assert f"--cluster {said['ClusterName']} " in said["OneOffTaskCommand"]
    assert "--task-definition <OneOffTaskDefinition> " in said["OneOffTaskCommand"]
