"""The standard health service, `grpc.health.v1`: Check, List and Watch.

Not grpc's own servicer: that one answers SERVING before anything was set, has no List, and writes to its
watchers under a lock, so that one who does not read keeps the status from changing. Here a watcher costs its
own task and nothing else. Protocol: github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from collections.abc import Iterable

import grpc
from grpc_health.v1 import health_pb2

from routeguide.conversion import encode, parse
from routeguide.server.interceptor import Context, Requests
from routeguide.server.methods import Method
from routeguide.server.readiness import Readiness
from routeguide.server.servicer import only_request

SERVICE = "grpc.health.v1.Health"


class HealthServicer:
    """Reports the readiness of the server, named "", and of its services."""

    def __init__(self, readiness: Readiness, services: Iterable[str]) -> None:
        self._readiness = readiness
        self._known = frozenset({"", *services})

    def methods(self) -> list[Method]:
        return [
            Method(SERVICE, "Check", self.check, streams_responses=False),
            Method(SERVICE, "List", self.list, streams_responses=False),
            Method(SERVICE, "Watch", self.watch, streams_responses=True),
        ]

    async def check(self, requests: Requests, context: Context) -> bytes | None:
        """The status of one service; NOT_FOUND for one that this server does not have."""
        service = await _service_asked_for(requests)
        if service not in self._known:
            context.set_code(grpc.StatusCode.NOT_FOUND)
            context.set_details("this server has no service of that name")
            return None
        return _response(self._status_of(service))

    async def list(self, _: Requests, __: Context) -> bytes:
        """The status of every service."""
        statuses = {
            service: health_pb2.HealthCheckResponse(status=self._status_of(service))
            for service in self._known
        }
        return encode(health_pb2.HealthListResponse(statuses=statuses))

    async def watch(self, requests: Requests, context: Context) -> None:
        """The status of one service, and each later one; ends with UNAVAILABLE when the server stops.

        A watcher that reads slowly is told the newest status, not each one that it missed.
        """
        service = await _service_asked_for(requests)
        told = None
        while True:
            change = self._readiness.next_change()
            status = self._status_of(service)
            if status != told:
                await context.write(_response(status))
                told = status
            if self._readiness.is_stopping:
                context.set_code(grpc.StatusCode.UNAVAILABLE)
                context.set_details("the server is stopping; reconnect")
                return
            await change.wait()

    def _status_of(self, service: str) -> int:
        statuses = health_pb2.HealthCheckResponse.ServingStatus
        if service not in self._known:
            name = "SERVICE_UNKNOWN"
        else:
            name = "SERVING" if self._readiness.is_ready else "NOT_SERVING"
        return int(statuses.Value(name))


async def _service_asked_for(requests: Requests) -> str:
    request = parse(health_pb2.HealthCheckRequest, await only_request(requests))
    return str(request.service)


def _response(status: int) -> bytes:
    return encode(health_pb2.HealthCheckResponse(status=status))
