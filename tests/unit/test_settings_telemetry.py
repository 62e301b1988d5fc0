"""What may be asked of telemetry, and what is said where it cannot be had."""

import subprocess
import sys

import pytest

from routeguide.errors import SettingsError
from routeguide.settings import Settings


@pytest.mark.parametrize(
    "url", ["http://localhost:4318", "https://collector.example/otlp/", "http://[::1]:4318"]
)
def test_good_endpoints(url: str) -> None:
    assert Settings.load({"otlp_endpoint": url}).otlp_endpoint == url


@pytest.mark.parametrize(
    "url",
    ["localhost:4318", "grpc://localhost:4317", "http://", "http://h:x", "http://h/?a=b", "http://h/#a"],
)
def test_bad_endpoints(url: str) -> None:
    with pytest.raises(SettingsError, match="ROUTEGUIDE_OTLP_ENDPOINT"):
        Settings.load({"otlp_endpoint": url})


def test_metrics_are_served_at_an_address() -> None:
    assert Settings.load({"metrics_listen": "[::]:9464"}).metrics_listen == "[::]:9464"
    with pytest.raises(SettingsError, match=r"ROUTEGUIDE_METRICS_LISTEN.*HOST:PORT"):
        Settings.load({"metrics_listen": "9464"})


def test_traces_need_a_collector() -> None:
    with pytest.raises(SettingsError, match=r"ROUTEGUIDE_TRACES.*ROUTEGUIDE_OTLP_ENDPOINT"):
        Settings.load({"traces": "true"})


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routeguide.settings.telemetry.find_spec", lambda _name: None)

    with pytest.raises(SettingsError, match=r"ROUTEGUIDE_OTLP_ENDPOINT.*routeguide\[telemetry\]"):
        Settings.load({"otlp_endpoint": "http://localhost:4318"})


def test_case_of_the_mode_does_not_matter() -> None:
    assert Settings.load({"access_log": "ALL"}).access_log == "all"


def test_what_is_off_is_not_imported() -> None:
    program = (
        "import sys, routeguide.server.app;"
        "print([name for name in ('opentelemetry', 'prometheus_client', 'h11', 'requests', 'grpc_channelz')"
        " if name in sys.modules])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert finished.stdout.strip() == "[]"


def test_metrics_endpoint_needs_no_extra() -> None:
    program = """
import asyncio, sys
sys.modules["opentelemetry"] = None  # importing it fails from now on
from routeguide.server.app import serving
from routeguide.settings import Settings

async def main():
    settings = Settings(listen="localhost:0", storage_url="memory://", metrics_listen="127.0.0.1:0")
    async with serving(settings) as server:
        print("served", server.metrics_port > 0)

asyncio.run(main())
"""
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert "served True" in finished.stdout.splitlines(), finished.stderr
