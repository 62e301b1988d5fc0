"""Who may call, and how much: decided before anything of a call is read, so that refusing costs little."""

from dataclasses import dataclass

from routeguide.errors import Overloaded
from routeguide.server.call import Call
from routeguide.server.supervisor import Supervisor

_RETRY_AFTER = 1.0
"""Seconds that a client is asked to wait when the server is full."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Raises for each call that is not to be served. Health checks are served whatever the load."""

    supervisor: Supervisor
    max_calls: int = 0
    """Calls at the same time; 0 is any number."""

    def admit(self, call: Call) -> None:
        """Raises Overloaded: as many calls as are allowed are running already."""
        if call.method.exempt:
            return
        if self.max_calls and self.supervisor.load > self.max_calls:
            raise Overloaded(f"more than {self.max_calls} calls at the same time", _RETRY_AFTER)
