"""deploy/aws.sh, with a stand-in for the AWS CLI and the engine that write down how they were called."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from tests.support.cloudformation import DEPLOY, resolved, template
from tests.support.deployments import REQUIRED

STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in
  *RepositoryName\\'*) echo routeguide ;;
  *RepositoryUri*) echo 123412341234.dkr.ecr.eu-north-1.amazonaws.com/routeguide ;;
  *describe-images*) echo "$DIGEST" ;;
  *login*password-stdin*) cat > /dev/null ;;
esac
"""
Script = Callable[..., Coroutine[None, None, list[str]]]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs the script; the commands that it called."""
    for name in ("aws", "docker", "make"):
        program = tmp_path / name
        program.write_text(STAND_IN)
        program.chmod(0o755)

    async def run(*arguments: str, code: int = 0) -> list[str]:
        path = f"{tmp_path}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "CALLS": str(tmp_path / "calls"), "TAG": "abc"}
        process = await asyncio.create_subprocess_exec(
            DEPLOY / "aws.sh", *arguments, env={**environment, "DIGEST": REQUIRED["ImageDigest"]}
        )
        async with asyncio.timeout(30):
            assert await process.wait() == code
        calls = tmp_path / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    return run


async def test_publishing(script: Script) -> None:
    calls = await script("publish")

    assert calls[0].startswith("aws cloudformation deploy")
    assert "--template-file deploy/registry.yaml" in calls[0]
    image = "123412341234.dkr.ecr.eu-north-1.amazonaws.com/routeguide:abc"
    assert calls[-2:] == [f"make image ENGINE=docker IMAGE={image}", f"docker push {image}"]


async def test_deploying_gives_parameters_that_the_template_takes(script: Script) -> None:
    given = [f"{name}={value}" for name, value in REQUIRED.items() if name != "ImageDigest"]

    [call] = [call for call in await script("deploy", *given) if "deploy/service.yaml" in call]

    overrides = dict(item.split("=", 1) for item in call.split("--parameter-overrides ")[1].split())
    assert overrides == {**REQUIRED, "RepositoryName": "routeguide"}
    assert resolved(template("service.yaml"), **overrides).resources
    assert "--capabilities CAPABILITY_IAM" in call


async def test_deleting_the_service_before_its_registry(script: Script) -> None:
    assert [call.split()[2:] for call in await script("delete")] == [
        ["delete-stack", "--stack-name", "routeguide"],
        ["wait", "stack-delete-complete", "--stack-name", "routeguide"],
        ["delete-stack", "--stack-name", "routeguide-registry"],
        ["wait", "stack-delete-complete", "--stack-name", "routeguide-registry"],
    ]


async def test_anything_else_explains_itself(script: Script) -> None:
    assert await script("destroy", code=2) == []
