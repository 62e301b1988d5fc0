"""What can be chosen about the balancer. The defaults are those of an Application Load Balancer, except for
the health check, which is as quick as tests and people at a terminal want it."""

from dataclasses import dataclass, field

from alb.matcher import Matcher


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How targets are asked whether they are well. Times are in seconds."""

    path: str = "/AWS.ALB/healthcheck"
    matcher: Matcher = field(default_factory=lambda: Matcher("12"))
    interval: float = 1.0
    timeout: float = 1.0
    healthy_threshold: int = 1
    """Passes in a row after which a target that failed gets calls again; a new one needs a single pass."""
    unhealthy_threshold: int = 2
    """Failures in a row after which a target gets no more calls."""

    @property
    def notices_within(self) -> float:
        """Seconds until a target that fails gets no more calls, if each check takes all of its time."""
        return self.unhealthy_threshold * (self.interval + self.timeout)


@dataclass(frozen=True, slots=True)
class Parameters:
    """One balancer."""

    certificate: str
    """The file with the certificate that clients are shown, in PEM; relative to Envoy's working directory."""
    key: str
    listen: tuple[str, int] = ("127.0.0.1", 50051)
    """Port 0 takes a free one."""
    health: HealthCheck = field(default_factory=HealthCheck)
    idle_timeout: float = 60.0
    """Seconds after which a stream without a message is cut, and a connection without a stream."""
    max_streams: int = 128
    """Calls at the same time on one connection of a client."""
    max_requests: int = 10_000
    """Calls after which a client's connection gets a GOAWAY."""
    run_folder: str = "."
    """Where the socket of the health checker is made; relative to Envoy's working directory."""
