"""The local balancer's configuration, before Envoy sees it; and whether it likes what it sees."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from alb import compose
from alb.balancer import envoy_program
from alb.envoy import configuration
from alb.matcher import Matcher
from tests.support.certificates import Certificates

COMMITTED = Path(__file__).parents[2] / "docker" / "alb" / "envoy.json"


@pytest.mark.parametrize(
    ("text", "ranges"),
    [("12", [(12, 12)]), ("0,12", [(0, 0), (12, 12)]), ("0-99", [(0, 99)]), ("0,2-5", [(0, 0), (2, 5)])],
)
def test_matchers(text: str, ranges: list[tuple[int, int]]) -> None:
    assert Matcher(text).ranges == ranges


@pytest.mark.parametrize("text", ["", "100", "-1", "0-", "0,,12", "twelve", "5-3", "12 ", "١٢"])
def test_what_is_no_matcher(text: str) -> None:
    with pytest.raises(ValueError, match="is no matcher"):
        Matcher(text)


def test_the_file_for_compose_is_what_the_code_makes() -> None:
    assert COMMITTED.read_text() == compose.text(), "run: python -m alb.compose > docker/alb/envoy.json"


def test_envoy_accepts_the_file_for_compose(tmp_path: Path) -> None:
    pair = Certificates(tmp_path).server
    assert str(compose.PARAMETERS.certificate) in COMMITTED.read_text()
    text = COMMITTED.read_text().replace(compose.PARAMETERS.certificate, str(pair.certificate))
    path = tmp_path / "envoy.json"
    path.write_text(text.replace(compose.PARAMETERS.key, str(pair.key)))

    command = [envoy_program(), "--mode", "validate", "--config-path", str(path)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert finished.returncode == 0, finished.stderr


def test_a_choice_reaches_the_configuration() -> None:
    chosen = replace(compose.PARAMETERS, idle_timeout=4000, max_streams=7, max_requests=9)
    connection = configuration(chosen)["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
    options = connection["typed_config"]

    assert options["stream_idle_timeout"] == "4000s"
    assert options["http2_protocol_options"] == {"max_concurrent_streams": 7}
    assert options["common_http_protocol_options"] == {
        "idle_timeout": "4000s",
        "max_requests_per_connection": 9,
    }
