"""When calls are ended, told at chosen moments."""

from typing import Any

import pytest

from routeguide.errors import DeadlineExceeded, Reconnect, RouteGuideError
from routeguide.server.call import Call, Method, Shape
from routeguide.server.supervisor import Budgets, Supervisor


async def nothing(_: Call) -> None:
    return None


class Running:
    """A call as its supervisor sees it, begun at 0."""

    def __init__(
        self,
        shape: Shape,
        *,
        waiting_since: float | None = None,
        active_at: float = 0.0,
        peer: str = "ipv4:127.0.0.1:1",
    ) -> None:
        self.method = Method("service", "Method", nothing, shape)
        self.peer = peer
        self.started = 0.0
        self.active_at = active_at
        self.waiting_since = waiting_since
        self.ended_by: RouteGuideError | None = None

    def end(self, error: RouteGuideError) -> None:
        self.ended_by = error


def supervised(*calls: Running, budgets: Budgets | None = None) -> Supervisor:
    supervisor = Supervisor(budgets or Budgets())
    entered: Any
    for entered in calls:
        supervisor.enter(entered)
    return supervisor


def leave(supervisor: Supervisor, calls: list[Running]) -> list[Running]:
    """Lets those that have been ended leave; returns the others."""
    gone: Any
    for gone in calls:
        if gone.ended_by is not None:
            supervisor.leave(gone)
    return [call for call in calls if call.ended_by is None]


@pytest.mark.parametrize(
    ("shape", "budgets", "kept", "exceeded", "error"),
    [
        (Shape.UNARY, Budgets(unary=3), 3, 3.1, DeadlineExceeded),
        (Shape.STREAM, Budgets(stream_age=20), 20, 20.1, Reconnect),
        (Shape.STREAM, Budgets(stream_idle=5), 15, 15.1, Reconnect),
    ],
)
def test_budgets(
    shape: Shape, budgets: Budgets, kept: float, exceeded: float, error: type[RouteGuideError]
) -> None:
    call = Running(shape, active_at=10)
    supervisor = supervised(call, budgets=budgets)

    supervisor.look(kept)
    assert call.ended_by is None
    supervisor.look(exceeded)
    assert isinstance(call.ended_by, error)


@pytest.mark.parametrize("shape", Shape)
def test_no_budget_is_for_ever(shape: Shape) -> None:
    call = Running(shape, waiting_since=0)
    supervised(call).look(1e9)

    assert call.ended_by is None


def test_stream_that_has_been_quiet_ends_at_once_when_the_server_stops() -> None:
    call = Running(Shape.STREAM, waiting_since=10)
    supervisor = supervised(call)
    supervisor.look(100)
    assert call.ended_by is None

    supervisor.stop()
    supervisor.look(100)

    assert isinstance(call.ended_by, Reconnect)


def test_stream_between_two_notes_has_a_second() -> None:
    call = Running(Shape.STREAM, waiting_since=99.9)
    supervisor = supervised(call)
    supervisor.stop()

    supervisor.look(100)
    assert call.ended_by is None
    supervisor.look(101)
    assert isinstance(call.ended_by, Reconnect)


def test_stream_that_works_may_go_on() -> None:
    call = Running(Shape.STREAM, waiting_since=None)
    supervisor = supervised(call)
    supervisor.stop()
    supervisor.look(1e9)

    assert call.ended_by is None


def test_watch_ends_at_once() -> None:
    call = Running(Shape.WATCH, waiting_since=None)
    supervisor = supervised(call)
    supervisor.stop()
    supervisor.look(0)

    assert isinstance(call.ended_by, Reconnect)


def test_of_several_on_a_connection_one_ends_a_look_later() -> None:
    quiet = [
        Running(Shape.STREAM, waiting_since=0),
        Running(Shape.WATCH),
        Running(Shape.STREAM, waiting_since=0),
    ]
    supervisor = supervised(Running(Shape.STREAM), *quiet)
    supervisor.stop()

    supervisor.look(10)
    left = leave(supervisor, quiet)
    assert len(left) == 1
    supervisor.look(10.1)
    assert leave(supervisor, left) == []


def test_one_that_does_not_leave_keeps_no_other() -> None:
    calls = [Running(Shape.STREAM, waiting_since=0) for _ in range(2)]
    supervisor = supervised(*calls)
    supervisor.stop()

    supervisor.look(10)
    supervisor.look(10.1)
    assert all(call.ended_by for call in calls)


def test_only_call_of_each_connection_ends_at_once() -> None:
    calls = [Running(Shape.STREAM, waiting_since=0, peer=f"ipv4:127.0.0.1:{port}") for port in (1, 2)]
    supervisor = supervised(*calls)
    supervisor.stop()

    supervisor.look(10)
    assert leave(supervisor, calls) == []


def test_who_is_cut_off_goes_whatever_it_does_and_in_the_same_order() -> None:
    calls = [Running(Shape.STREAM), Running(Shape.UNARY)]
    supervisor = supervised(*calls)

    assert supervisor.cut_off() == 2
    supervisor.look(10)
    left = leave(supervisor, calls)
    assert len(left) == 1
    supervisor.look(10.1)
    assert leave(supervisor, left) == []
