"""What a log line looks like, and what it never holds."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from routeguide.observability import configure_logging


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def fail_with(secret: str) -> None:
    raise ValueError(f"about {len(secret)} characters")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_tracebacks_hold_no_local_variables(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    configure_logging("info", log_format)
    try:
        fail_with("swordfish")
    except ValueError as error:
        structlog.get_logger().error("it failed", exc_info=error)

    logged = capsys.readouterr().err
    assert "ValueError" in logged
    assert "about 9 characters" in logged
    assert "swordfish" not in logged.replace('fail_with("swordfish")', "")


def test_json_is_one_object_a_line_for_libraries_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    structlog.get_logger().info("ours", answer=42)
    logging.getLogger("library").warning("theirs: %s", "x\ny")
    logging.getLogger("library").debug("unseen")

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    assert [(line["event"], line["level"]) for line in lines] == [
        ("ours", "info"),
        ("theirs: x\ny", "warning"),
    ]
    assert lines[0]["answer"] == 42
    assert all(line["timestamp"].endswith("Z") for line in lines)


def test_auto_is_json_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "auto")
    structlog.get_logger().info("hello")

    assert json.loads(capsys.readouterr().err)["event"] == "hello"


def test_exporters_do_not_log_the_collectors_url(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", "json")
    for name in ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "urllib3.connectionpool"):
        logging.getLogger(name).error("https://collector.example/secret")

    assert capsys.readouterr().err == ""


def test_malformed_headers_of_traces_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", "json")
    headers = {
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
        "tracestate": "@words of a caller@=,,",
        "x-amzn-trace-id": "words of a caller",
    }
    for propagator in (TraceContextTextMapPropagator(), AwsXRayPropagator()):
        propagator.extract(headers)

    assert capsys.readouterr().err == ""


def test_libraries_that_deadlock_at_debug_stay_above_it() -> None:
    configure_logging("debug", "json")

    assert logging.getLogger("grpc._cython.cygrpc").getEffectiveLevel() == logging.INFO
