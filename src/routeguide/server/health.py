"""The standard health service, `grpc.health.v1`: Check, List and Watch; and the balancer's own check.

Not grpc's own servicer: that one answers SERVING before anything was set, has no List, and writes to its
watchers under a lock, so that one who does not read keeps the status from changing. Here a watcher costs its
own task and nothing else. Protocol: github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from collections.abc import Iterable

import grpc
from grpc_health.v1 import health_pb2

from routeguide.conversion import encode, parse
from routeguide.errors import Overloaded, UnknownEntity
from routeguide.server.call import Call, Method, Shape
from routeguide.server.readiness import Readiness
from routeguide.server.servicer import only_request

SERVICE = "grpc.health.v1.Health"

MAX_WATCHERS = 1000
"""Nobody is asked who they are before they watch, and each costs some 20 kB for as long as it likes."""

_RETRY_AFTER = 10.0
"""Seconds after which a watcher who was turned away may try again."""


class HealthServicer:
    """Reports the readiness of the server, named "", and of its services.

    With `fails_when_not_ready`, Check fails with UNAVAILABLE instead of answering NOT_SERVING: for a balancer
    that looks at the status of the call alone, with matcher 0.
    """

    def __init__(
        self, readiness: Readiness, services: Iterable[str], *, fails_when_not_ready: bool = False
    ) -> None:
        self._readiness = readiness
        self._known = frozenset({"", *services})
        self._fails_when_not_ready = fails_when_not_ready
        self._watchers = 0

    def methods(self) -> list[Method]:
        return [
            Method(SERVICE, "Check", self.check, Shape.UNARY, exempt=True),
            Method(SERVICE, "List", self.list, Shape.UNARY, exempt=True),
            Method(SERVICE, "Watch", self.watch, Shape.WATCH, streams_responses=True, exempt=True),
        ]

    async def check(self, call: Call) -> bytes | None:
        """The status of one service.

        Raises:
            UnknownEntity: this server does not have it.
        """
        service = await _service_asked_for(call)
        if service not in self._known:
            raise UnknownEntity("this server has no service of that name")
        if self._fails_when_not_ready and not self._readiness.is_ready:
            _say_not_ready(call)
            return None
        return _response(self._status_of(service))

    async def list(self, _: Call) -> bytes:
        """The status of every service."""
        statuses = {
            service: health_pb2.HealthCheckResponse(status=self._status_of(service))
            for service in self._known
        }
        return encode(health_pb2.HealthListResponse(statuses=statuses))

    async def watch(self, call: Call) -> None:
        """The status of one service, and each later one, until the server stops.

        A watcher that reads slowly is told the newest status, not each one that it missed.

        Raises:
            Overloaded: there are `MAX_WATCHERS` already.
        """
        if self._watchers >= MAX_WATCHERS:
            raise Overloaded(f"{MAX_WATCHERS} watch already", _RETRY_AFTER)
        self._watchers += 1
        try:
            await self._tell_changes(call)
        finally:
            self._watchers -= 1

    async def _tell_changes(self, call: Call) -> None:
        service = await _service_asked_for(call)
        told = None
        while True:
            change = self._readiness.next_change()
            status = self._status_of(service)
            if status != told:
                await call.write(_response(status))
                told = status
            await change.wait()

    def _status_of(self, service: str) -> int:
        statuses = health_pb2.HealthCheckResponse.ServingStatus
        if service not in self._known:
            name = "SERVICE_UNKNOWN"
        else:
            name = "SERVING" if self._readiness.is_ready else "NOT_SERVING"
        return int(statuses.Value(name))


class BalancerCheck:
    """`/AWS.ALB/healthcheck`: UNIMPLEMENTED (12) while ready and UNAVAILABLE (14) otherwise.

    A balancer looks at the status of its check alone. Its default is to call this method, which nobody has,
    and to take 12 for health: any living server passes, a draining one too. Answered like this, the
    default tells the truth. Nothing of the request is read: what a balancer sends is not documented. Only a
    request without `te: trailers`, which gRPC's protocol asks for, is beyond it: grpc's core resets that.
    """

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    def methods(self) -> list[Method]:
        # As one that streams responses, so that nothing but the status is sent.
        return [
            Method("AWS.ALB", "healthcheck", self.check, Shape.UNARY, streams_responses=True, exempt=True)
        ]

    async def check(self, call: Call) -> None:
        if self._readiness.is_ready:
            call.context.set_code(grpc.StatusCode.UNIMPLEMENTED)
            call.context.set_details("ready")
        else:
            _say_not_ready(call)


def _say_not_ready(call: Call) -> None:
    call.context.set_code(grpc.StatusCode.UNAVAILABLE)
    call.context.set_details("not ready")


async def _service_asked_for(call: Call) -> str:
    request = parse(health_pb2.HealthCheckRequest, await only_request(call))
    return str(request.service)


def _response(status: int) -> bytes:
    return encode(health_pb2.HealthCheckResponse(status=status))
