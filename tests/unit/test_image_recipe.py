"""What `make image` runs, where to run it needs a registry or an engine that is not everywhere."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def recipe(*arguments: str, **environment: str) -> str:
    make = ("make", "--dry-run", "--no-print-directory", "--assume-old=.venv/.ready", "image", *arguments)
    finished = subprocess.run(
        make, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=30, check=True
    )
    return finished.stdout


def test_an_image_for_several_platforms_is_pushed_with_one_time_for_all_files() -> None:
    printed = recipe("PLATFORMS=linux/amd64,linux/arm64", "IMAGE=registry.example/routeguide:1")
    assert "SOURCE_DATE_EPOCH=$(git log -1 --pretty=%ct" in printed
    assert "docker buildx build --platform linux/amd64,linux/arm64" in printed
    assert "--output type=registry,rewrite-timestamp=true" in printed
    assert "--tag registry.example/routeguide:1" in printed


def test_every_image_is_labelled() -> None:
    for arguments in ((), ("ENGINE=podman",), ("PLATFORMS=linux/amd64,linux/arm64",)):
        printed = recipe(*arguments)
        for name in ("VERSION", "REVISION", "SOURCE"):
            assert f"--build-arg {name}=" in printed


def test_no_password_of_the_repository_gets_into_an_image() -> None:
    printed = recipe(
        GIT_CONFIG_COUNT="1",
        GIT_CONFIG_KEY_0="remote.origin.url",
        GIT_CONFIG_VALUE_0="https://me:secret@git.example/routeguide.git",
    )
    assert '--build-arg SOURCE="https://git.example/routeguide.git"' in printed
