"""A channel to one server, and the words for its failures."""

import asyncio
import json
from types import TracebackType
from typing import Self

import grpc

from routeguide import __version__
from routeguide.client import handshake
from routeguide.client.address import is_loopback
from routeguide.client.errors import Circumstances, RpcFailed, failure_of
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

    async def failure(
        self, error: grpc.aio.AioRpcError, *, deadline: float | None, connected: bool | None = None
    ) -> RpcFailed:
        """`error`, which a call with `deadline` met, in words; without a connection, TLS may be why.

        What other connections meet now says nothing of a call that was `connected`. Where the call does not
        know (None), the state of the channel must do: it keeps the failure to connect, not the loss, in mind.
        """
        channel, obstacle = self.channel.get_state(), None
        ready = channel is grpc.ChannelConnectivity.READY
        answered = bool(error.initial_metadata() or error.trailing_metadata())
        if error.code() is grpc.StatusCode.UNAVAILABLE and not (connected or ready or answered):
            obstacle = await asyncio.to_thread(handshake.obstacle, self.target, self._tls)
        if connected is None:
            connected = obstacle is None and channel is not grpc.ChannelConnectivity.TRANSIENT_FAILURE
        circumstances = Circumstances(
            target=self.target,
            deadline=deadline,
            connected=connected or ready or answered,
            ready=ready,
            obstacle=obstacle,
        )
        return failure_of(error, circumstances)


def _options(target: str) -> list[tuple[str, int | str]]:
    return [
        ("grpc.service_config", json.dumps(_RETRIES)),
        ("grpc.primary_user_agent", f"routeguide/{__version__}"),
        # A proxy named in the environment cannot reach this machine's loopback, and must not be shown
        # the token that goes there in plain text.
        ("grpc.enable_http_proxy", int(not is_loopback(target))),
    ]
