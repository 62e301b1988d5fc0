"""A failure that lasts is told twice: when it begins and when it is over."""

from structlog.testing import capture_logs

from routeguide.errors import StorageUnavailable
from routeguide.storage.trouble import Trouble


def test_it_is_told_when_it_begins_and_when_it_is_over() -> None:
    trouble = Trouble("fails", "works again")
    with capture_logs() as logs:
        for _ in range(2):
            trouble.succeeded()
            trouble.failed(StorageUnavailable("gone"))
            trouble.failed(StorageUnavailable("still gone"))
            trouble.succeeded()
    assert [entry["event"] for entry in logs] == ["fails", "works again"] * 2
    assert logs[0] == {"event": "fails", "log_level": "warning", "error": "gone", "cause": "None"}
