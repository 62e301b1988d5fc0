"""Who may call, and how much: decided before anything of a call is read, so that refusing costs little."""

import time
from dataclasses import dataclass, field

from routeguide.errors import NotAllowed, Overloaded, RateLimited
from routeguide.server.auth import TokenAuthority
from routeguide.server.call import Call
from routeguide.server.client_names import client_is_allowed
from routeguide.server.rate import RateLimiter, client_of
from routeguide.server.supervisor import Supervisor

_RETRY_AFTER = 1.0
"""Seconds that a client is asked to wait when the server is full."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Raises for each call that is not to be served. Health checks are served whatever the load."""

    supervisor: Supervisor
    max_calls: int = 0
    """Calls at the same time; 0 is any number."""
    client_names: frozenset[str] = frozenset()
    """Names of which a client's certificate must carry one; none lets any client call."""
    authority: TokenAuthority | None = None
    limiter: RateLimiter | None = None
    trust_forwarded_for: bool = False
    """Whether a balancer in front tells who the client is."""
    shed: dict[str, float] = field(default_factory=lambda: {"concurrency": 0.0, "rate": 0.0})
    """How many calls were refused to spare the server, by reason."""

    def admit(self, call: Call) -> None:
        """How many and how often come before who: guessing at tokens is limited like everything else.

        Raises:
            Overloaded: as many calls as are allowed are running already.
            RateLimited: not so soon.
            NotAllowed, Unauthenticated: not this client.
        """
        if call.method.exempt:
            return
        if self.max_calls and self.supervisor.load > self.max_calls:
            self.shed["concurrency"] += 1
            raise Overloaded(f"more than {self.max_calls} calls at the same time", _RETRY_AFTER)
        if self.limiter is not None:
            self._check_rate(call, self.limiter)
        if self.client_names and not client_is_allowed(call.context.auth_context(), self.client_names):
            raise NotAllowed
        if self.authority is not None and self.authority.guards(call.method.path):
            self.authority.require(call.header("authorization"))

    def _check_rate(self, call: Call, limiter: RateLimiter) -> None:
        forwarded = call.headers("x-forwarded-for") if self.trust_forwarded_for else None
        wait = limiter.retry_after(client_of(call.peer, forwarded), time.monotonic())
        if wait is not None:
            self.shed["rate"] += 1
            raise RateLimited(wait)
