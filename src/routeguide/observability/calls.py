"""What an observer of calls is told, without a word of the RPC library."""

from collections.abc import Sequence
from typing import Protocol


class ObservedCall(Protocol):
    """A call that has ended. An observer reads what it needs, so that what nobody needs costs nothing."""

    @property
    def request_id(self) -> str: ...

    @property
    def received(self) -> int:
        """Messages from the client."""

    @property
    def sent(self) -> int:
        """Messages to the client."""

    @property
    def peer(self) -> str:
        """The client's address."""

    @property
    def sent_away(self) -> bool:
        """Whether the server ended it for a reason of its own (idle, age, drain) and wants it opened anew."""

    def header(self, name: str) -> str | None:
        """The first value of a text header, by its lower-case name."""


class CallObserver(Protocol):
    """Is told of each call when it has ended."""

    def ended(self, method: str, code: str, seconds: float, call: ObservedCall) -> None:
        """A call is over. Returns at once and raises nothing.

        Args:
            method: the path, such as ``/routeguide.RouteGuide/GetFeature``.
            code: the name of its status, such as ``OK``.
            seconds: how long it took.
        """


class CallObservers:
    """Tells several observers."""

    def __init__(self, observers: Sequence[CallObserver]) -> None:
        self._observers = tuple(observers)

    def ended(self, method: str, code: str, seconds: float, call: ObservedCall) -> None:
        for observer in self._observers:
            observer.ended(method, code, seconds, call)
