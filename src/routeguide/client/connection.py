"""A channel to one server, and the words for its failures."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import grpc

from routeguide import __version__
from routeguide.client import handshake
from routeguide.client.address import is_loopback
from routeguide.client.errors import RpcFailed, failure_of
from routeguide.client.tls import ClientTls
from routeguide.pb import route_guide_pb2 as pb

_SERVICE = pb.DESCRIPTOR.services_by_name["RouteGuide"].full_name

_RETRIES = {
    "methodConfig": [
        {
            # A note or a route that was sent twice would count twice; reading twice does no harm. grpc
            # retries a stream only until its first message has come, so no feature is listed twice either.
            "name": [{"service": _SERVICE, "method": name} for name in ("GetFeature", "ListFeatures")],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


class Connection:
    """Connects when the first call is made. Close it, or use it in `async with`."""

    def __init__(self, target: str, tls: ClientTls | None) -> None:
        """Raises SettingsError: what TLS needs cannot be had."""
        self.target = target
        self._tls = tls
        if tls is None:
            self.channel = grpc.aio.insecure_channel(target, _options(target))
        else:
            options = _options(target) + tls.options()
            self.channel = grpc.aio.secure_channel(target, tls.credentials(), options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.channel.close()

    @asynccontextmanager
    async def failures_told(self, deadline: float | None) -> AsyncGenerator[None, None]:
        """Turns grpc's errors inside the block into RpcFailed."""
        try:
            yield
        except grpc.aio.AioRpcError as error:
            raise await self.failure(error, deadline=deadline) from error

    async def failure(self, error: grpc.aio.AioRpcError, *, deadline: float | None) -> RpcFailed:
        """`error`, which a call with `deadline` met, in words; without a connection, TLS may be why."""
        channel, obstacle = self.channel.get_state(), None
        if error.code() is grpc.StatusCode.UNAVAILABLE and channel is not grpc.ChannelConnectivity.READY:
            obstacle = await asyncio.to_thread(handshake.obstacle, self.target, self._tls)
        return failure_of(error, target=self.target, channel=channel, deadline=deadline, obstacle=obstacle)


def _options(target: str) -> list[tuple[str, int | str]]:
    return [
        ("grpc.service_config", json.dumps(_RETRIES)),
        ("grpc.primary_user_agent", f"routeguide/{__version__}"),
        # A proxy named in the environment cannot reach this machine's loopback, and must not be shown
        # the token that goes there in plain text.
        ("grpc.enable_http_proxy", int(not is_loopback(target))),
    ]
