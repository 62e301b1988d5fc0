"""Which calls are logged, and how."""

from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from routeguide.observability.access import AccessLog, AccessLogMode
from tests.unit.test_metrics import GET_FEATURE, EndedCall

CODES = ["OK", "CANCELLED", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "INTERNAL", "UNAVAILABLE"]


@pytest.fixture(autouse=True)
def _structlog_as_it_comes() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def test_streams_that_were_sent_away_are_no_fault() -> None:
    with capture_logs() as entries:
        AccessLog("errors").ended(GET_FEATURE, "UNAVAILABLE", 0.25, EndedCall(sent_away=True))

    assert [entry["log_level"] for entry in entries] == ["info"]


@pytest.mark.parametrize(
    ("mode", "logged"),
    [
        ("all", CODES),
        ("errors", ["INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "INTERNAL", "UNAVAILABLE"]),
    ],
)
def test_modes(mode: AccessLogMode, logged: list[str]) -> None:
    log = AccessLog(mode)
    with capture_logs() as entries:
        for code in CODES:
            log.ended(GET_FEATURE, code, 0.25, EndedCall())

    assert [entry["code"] for entry in entries] == logged
    assert {entry["code"] for entry in entries if entry["log_level"] == "warning"} == {
        "INTERNAL",
        "UNAVAILABLE",
    }


def test_an_entry_says_what_happened_and_to_whom() -> None:
    with capture_logs() as entries:
        AccessLog("all").ended(GET_FEATURE, "OK", 0.12345678, EndedCall(received=2, sent=3))

    assert entries == [
        {
            "event": "call",
            "log_level": "info",
            "method": GET_FEATURE,
            "code": "OK",
            "seconds": 0.123457,
            "request_id": "1",
            "received": 2,
            "sent": 3,
            "peer": "ipv4:192.0.2.1:1",
        }
    ]


def test_flood_of_errors_is_cut_and_counted() -> None:
    now = 100.0
    log = AccessLog("errors", clock=lambda: now)
    with capture_logs() as entries:
        for _ in range(1_000):
            log.ended(GET_FEATURE, "RESOURCE_EXHAUSTED", 0.0, EndedCall())
        now = 101.0
        log.ended(GET_FEATURE, "RESOURCE_EXHAUSTED", 0.0, EndedCall())
        log.close()

    assert len(entries) == 52
    assert [entry for entry in entries if entry["event"] != "call"] == [
        {"event": "calls not logged", "log_level": "warning", "lines": 950}
    ]


def test_all_means_all() -> None:
    log = AccessLog("all", clock=lambda: 100.0)
    with capture_logs() as entries:
        for _ in range(1_000):
            log.ended(GET_FEATURE, "RESOURCE_EXHAUSTED", 0.0, EndedCall())

    assert len(entries) == 1_000
