"""The bench runs where no tests do."""

import subprocess
import sys

import pytest

from bench import backends
from tests.support.unprivileged import Unavailable


def test_it_needs_no_pytest() -> None:
    """Whose way of leaving something out ends the whole bench."""
    program = "import sys, bench.__main__; sys.exit('pytest' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


async def test_it_says_what_is_left_out_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise Unavailable("PostgreSQL's server programs are missing")

    monkeypatch.setattr(backends, "durable_cluster", missing)
    assert await backends.backends() == "Left out: PostgreSQL's server programs are missing."
