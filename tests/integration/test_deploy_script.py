"""deploy/aws.sh, with stand-ins for what it calls, which write down how they were called."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cloudformation import DEPLOY, resolved, template
from tests.support.deployments import REQUIRED

STAND_IN = """#!/bin/sh
call="$(basename "$0") $*"
echo "$call" >> "$CALLS"
case "$call" in
  $FAILING) exit 254 ;;
  git\\ status*) printf %s "$CHANGES" ;;
  git\\ rev-parse*) echo 0123456789ab ;;
  *RepositoryName\\'*) echo routeguide ;;
  *RepositoryUri*) echo 123412341234.dkr.ecr.eu-north-1.amazonaws.com/routeguide ;;
  *describe-images*) printf %s "$DIGEST" ;;
  *password-stdin*) cat > /dev/null ;;
esac
"""
DIGEST = REQUIRED["ImageDigest"]
GIVEN = [f"{name}={value}" for name, value in REQUIRED.items() if name != "ImageDigest"]


@dataclass
class Run:
    """What the script left behind."""

    code: int
    said: str
    calls: list[str]
    """What it called, without git."""


Script = Callable[..., Coroutine[None, None, Run]]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs the script with the environment `given`, in which FAILING is a pattern of the calls that fail."""
    for name in ("aws", "docker", "git", "make"):
        program = tmp_path / name
        program.write_text(STAND_IN)
        program.chmod(0o755)
    calls = tmp_path / "calls"
    calls.touch()
    stand_ins = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CALLS": str(calls),
        "CHANGES": "",
        "DIGEST": "",
        "FAILING": "none",
    }

    async def run(*arguments: str, **given: str) -> Run:
        process = await asyncio.create_subprocess_exec(
            DEPLOY / "aws.sh",
            *arguments,
            env={**stand_ins, **given},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(60):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode is not None
        called = [call for call in calls.read_text().splitlines() if not call.startswith("git ")]
        return Run(process.returncode, said.decode(), called)

    return run


def overrides(run: Run) -> dict[str, str]:
    """The parameters that the stack of the service was given."""
    [call] = [call for call in run.calls if "deploy/service.yaml" in call]
    return dict(item.split("=", 1) for item in call.split("--parameter-overrides ")[1].split())


@pytest.mark.parametrize("platform", ["amd64", "arm64"])
async def test_an_image_is_tagged_by_its_commit_and_platform(script: Script, platform: str) -> None:
    run = await script("publish", PLATFORM=f"linux/{platform}")

    assert run.code == 0
    assert run.calls[0].startswith("aws cloudformation deploy")
    assert "--template-file deploy/registry.yaml" in run.calls[0]
    image = f"123412341234.dkr.ecr.eu-north-1.amazonaws.com/routeguide:0123456789ab-{platform}"
    assert run.calls[-2:] == [
        f"make image ENGINE=docker IMAGE={image} ARGS=--platform linux/{platform}",
        f"docker push {image}",
    ]


async def test_what_is_not_committed_is_not_published(script: Script) -> None:
    run = await script("publish", CHANGES=" M src/routeguide/errors.py")

    assert (run.code, run.calls) == (1, [])
    assert "src/routeguide/errors.py" in run.said


async def test_what_is_published_is_not_built_again(script: Script) -> None:
    run = await script("publish", DIGEST=DIGEST)

    assert run.code == 0
    assert f"0123456789ab-amd64 is published already: {DIGEST}" in run.said
    assert not [call for call in run.calls if call.startswith(("make", "docker"))]


@pytest.mark.parametrize(
    ("failing", "never"),
    [
        ("git status*", "aws"),
        ("aws cloudformation deploy*", "docker"),
        ("*RepositoryUri*", "docker"),
        ("*describe-images*", "docker"),
        ("*get-login-password", "make"),
        ("docker login*", "make"),
        ("make image*", "docker push"),
        ("docker push*", "nothing"),
    ],
)
async def test_publishing_ends_where_it_fails(script: Script, failing: str, never: str) -> None:
    run = await script("publish", FAILING=failing)

    assert run.code != 0
    assert not [call for call in run.calls if call.startswith(never)]


@pytest.mark.parametrize(("platform", "architecture"), [("amd64", "X86_64"), ("arm64", "ARM64")])
async def test_deploying_gives_parameters_that_the_template_takes(
    script: Script, platform: str, architecture: str
) -> None:
    run = await script("deploy", *GIVEN, DIGEST=DIGEST, PLATFORM=f"linux/{platform}")

    assert run.code == 0
    assert overrides(run) == {**REQUIRED, "RepositoryName": "routeguide", "CpuArchitecture": architecture}
    assert resolved(template("service.yaml"), **overrides(run)).resources
    assert [call for call in run.calls if "--capabilities CAPABILITY_IAM" in call]
    assert [call for call in run.calls if f"'0123456789ab-{platform}'" in call]


async def test_what_is_not_published_is_not_deployed(script: Script) -> None:
    run = await script("deploy", *GIVEN)

    assert run.code == 1
    assert "0123456789ab-amd64 is not published: run deploy/aws.sh publish" in run.said
    assert not [call for call in run.calls if "service.yaml" in call]


@pytest.mark.parametrize("failing", ["*RepositoryName*", "*describe-images*"])
async def test_deploying_ends_where_a_look_up_fails(script: Script, failing: str) -> None:
    run = await script("deploy", *GIVEN, DIGEST=DIGEST, FAILING=failing)

    assert run.code == 254
    assert not [call for call in run.calls if "service.yaml" in call]


async def test_a_platform_that_fargate_does_not_have(script: Script) -> None:
    run = await script("publish", PLATFORM="linux/amd64,linux/arm64", TAG="abc")

    assert run.code == 1
    assert "not PLATFORM=linux/amd64,linux/arm64" in run.said


async def test_deleting_the_service_before_its_registry(script: Script) -> None:
    run = await script("delete")

    assert [call.split()[2:] for call in run.calls] == [
        ["delete-stack", "--stack-name", "routeguide"],
        ["wait", "stack-delete-complete", "--stack-name", "routeguide"],
        ["delete-stack", "--stack-name", "routeguide-registry"],
        ["wait", "stack-delete-complete", "--stack-name", "routeguide-registry"],
    ]


async def test_anything_else_explains_itself(script: Script) -> None:
    run = await script("destroy")

    assert (run.code, run.calls) == (2, [])
    assert "deploy/aws.sh publish" in run.said
    assert "set -euo" not in run.said
