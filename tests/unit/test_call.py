"""What a call knows of its client's time."""

import time
from typing import Any

import pytest

from routeguide.server.call import Call, Method, Shape


class Context:
    """As much of grpc's as is asked here: how many seconds are left to the client."""

    def __init__(self, left: float | None) -> None:
        self._left = left

    def time_remaining(self) -> float | None:
        return self._left

    def invocation_metadata(self) -> tuple[()]:
        return ()


async def nothing(_: Call) -> None:
    return None


@pytest.mark.parametrize(
    ("left", "lasted", "is_nearly_late"),
    [(None, 0, False), (-1, 0, True), (0.05, 0, True), (0.5, 10, False), (0.5, 100, True), (5, 10, False)],
)
async def test_clients_give_up_a_moment_before_the_deadline_that_the_server_was_told_of(
    left: float | None, lasted: float, is_nearly_late: bool
) -> None:
    context: Any = Context(left)
    call = Call(Method("service", "Method", nothing, Shape.UNARY), context)
    call.started = time.monotonic() - lasted

    assert call.is_nearly_late is is_nearly_late
