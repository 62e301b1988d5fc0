"""The image, built by podman, and containers of it, as small and confined as a platform makes them."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
BASE = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)[0]
IMAGE = "localhost/routeguide:tested"
CPUS = 0.25
"""Of one processor: the smallest size of a Fargate task."""

DEADLINE = 120.0
"""Seconds for anything but a build, at a quarter of a processor of a busy machine."""

_BUILD_DEADLINE = 600.0
_CERTIFICATES = Path("/etc/ssl/certs")
"""Authorities of this machine, which pip may need where a registry is reached through a proxy."""

# Small limits of its own, since podman's defaults need rights that not every machine grants.
_PROCESS_LIMITS = ("--ulimit=nofile=10000:10000", "--ulimit=nproc=4096:4096")
_CONFINED = (
    *("--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
    *(f"--cpus={CPUS}", "--memory=512m", *_PROCESS_LIMITS),
)


def podman(*args: str, deadline: float = DEADLINE) -> str:
    """What a podman command prints; the test fails if the command does."""
    finished = _podman(*args, deadline=deadline)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def build(*options: str, image: str = IMAGE) -> None:
    """Builds the image; skips the test where that is impossible."""
    _skip_without_engine()
    options += (f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro",) if _CERTIFICATES.is_dir() else ()
    # chroot, so that no rights of the machine are needed.
    options += ("--quiet", "--isolation=chroot", "--pull=missing", _PROCESS_LIMITS[0])
    # The environment is as it is: a test must not install anything.
    make = ("make", "--assume-old=.venv/.ready", "image", "ENGINE=podman")
    finished = _run(*make, f"IMAGE={image}", f"ARGS={' '.join(options)}", deadline=_BUILD_DEADLINE)
    assert finished.returncode == 0, finished.stderr


class Container:
    """A container that runs, and what podman tells of it."""

    def __init__(self, number: str) -> None:
        self._number = number

    @property
    def address(self) -> str:
        """Where the machine reaches its port 50051."""
        return podman("port", self._number, "50051").splitlines()[0]

    @property
    def log(self) -> list[dict[str, Any]]:
        """Every event so far."""
        lines = _podman("logs", self._number).stderr.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def exit_code(self) -> int:
        return int(self.inspected("{{.State.ExitCode}}"))

    def inspected(self, template: str) -> str:
        return podman("inspect", "--format", template, self._number)

    def python(self, code: str) -> str:
        """What `code` prints inside."""
        return podman("exec", self._number, "python", "-c", code)

    def becomes_healthy(self) -> bool:
        """Whether the image's own HEALTHCHECK command says so; platforms too ask again when it failed."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if _podman("healthcheck", "run", self._number).returncode == 0:
                return True
        return False

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when it has not ended by the deadline; returns when it has ended."""
        podman("stop", f"--time={DEADLINE:.0f}", self._number, deadline=2 * DEADLINE)

    def kill(self) -> None:
        podman("kill", "--signal=KILL", self._number)
        podman("wait", self._number)

    def wait_for(self, event: str) -> dict[str, Any]:
        """The first entry of the log that tells of `event`, once there is one."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if found := [entry for entry in self.log if entry["event"] == event]:
                return found[0]
            time.sleep(0.1)
        raise AssertionError(f"{event!r} was not logged in time: {_podman('logs', self._number).stderr}")


@contextmanager
def container(*options: str, image: str = IMAGE) -> Iterator[Container]:
    """A container with a server that is ready, confined; it is removed at the end."""
    number = podman(*_runtime(), "run", "--detach", "--publish=127.0.0.1::50051", *_CONFINED, *options, image)
    try:
        running = Container(number)
        running.wait_for("serving")
        yield running
    finally:
        podman("rm", "--force", "--volumes", "--time=0", number)


@contextmanager
def volume() -> Iterator[str]:
    """The name of a volume, which is removed at the end."""
    name = podman("volume", "create")
    try:
        yield name
    finally:
        podman("volume", "rm", "--force", name)


def _skip_without_engine() -> None:
    if shutil.which("podman") is None:
        pytest.skip("podman is not here: apt-get install podman")
    if _podman("image", "exists", BASE).returncode == 0:
        return
    pulled = _podman("pull", "--quiet", BASE)
    if pulled.returncode != 0:
        pytest.skip(f"the base image {BASE} is not here and cannot be pulled: {pulled.stderr.strip()[-200:]}")


def _runtime() -> tuple[str, ...]:
    """runc where it is: crun insists on rights that not every machine grants."""
    return ("--runtime=runc",) if shutil.which("runc") else ()


def _podman(*args: str, deadline: float = DEADLINE) -> subprocess.CompletedProcess[str]:
    return _run("podman", *args, deadline=deadline)


def _run(*command: str, deadline: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=deadline,
        check=False,
        stdin=subprocess.DEVNULL,
    )
