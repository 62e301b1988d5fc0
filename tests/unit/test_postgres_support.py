"""Where there is no PostgreSQL its tests are skipped with a reason, but not in CI."""

import pytest

from tests.support import cluster, postgres


@pytest.fixture(autouse=True)
def _no_server_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "server_programs", lambda: None)


def test_skipped_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with (
        pytest.raises(pytest.skip.Exception, match="server programs are missing"),
        postgres.running_cluster(),
    ):
        pass


def test_a_failure_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with (
        pytest.raises(pytest.fail.Exception, match="server programs are missing"),
        postgres.running_cluster(),
    ):
        pass
