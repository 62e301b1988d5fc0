"""What a test does on a machine that lacks what it needs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from tests.support.unprivileged import Unavailable


@contextmanager
def skipping_where_unavailable() -> Iterator[None]:
    """Turns `Unavailable` into what becomes of the test."""
    try:
        yield
    except Unavailable as error:
        unavailable(str(error))


def unavailable(reason: str) -> NoReturn:
    """Skips the test, or fails it in CI, where everything is expected to run."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
