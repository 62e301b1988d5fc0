"""Who may call, over the wire: tokens and rates. Certificates are in test_tls.py."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.conftest import OpenChannel, StartServer
from tests.support.wire import DEADLINE, Stub, drained, failure, note, point, reason, rectangle

TOKEN = "correct-horse-battery-staple"  # noqa: S105  # of this test alone
OTHER = "another-token-that-is-valid"
BEHIND_A_BALANCER: dict[str, Any] = {"tls_terminated": True}


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


@pytest.fixture
async def guarded(start_server: StartServer, open_channel: OpenChannel) -> grpc.aio.Channel:
    return open_channel(await start_server(auth_tokens=f"{TOKEN},{OTHER}", **BEHIND_A_BALANCER))


@pytest.mark.parametrize("token", [TOKEN, OTHER])
async def test_any_of_the_tokens_opens_every_rpc(guarded: grpc.aio.Channel, token: str) -> None:
    stub: Stub = RouteGuideStub(guarded)
    with_token: dict[str, Any] = {"timeout": DEADLINE, "metadata": bearer(token)}

    assert (await stub.GetFeature(point(409146138, -746188906), **with_token)).name
    assert await drained(stub.ListFeatures(rectangle(0, 0, 1, 1), **with_token)) == []
    assert (await stub.RecordRoute(iter([point(1, 1)]), **with_token)).point_count == 1
    assert await drained(stub.RouteChat(iter([note(1, 1, "x")]), **with_token)) == []


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        bearer("wrong-but-long-enough-token"),
        bearer(TOKEN[:-1]),
        (("authorization", TOKEN),),
        (("authorization", f"Basic {TOKEN}"),),
        (("authorization-bin", b"\xff\xfe"),),
    ],
)
async def test_anything_else_opens_none(
    guarded: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]
) -> None:
    stub: Stub = RouteGuideStub(guarded)
    for call in (
        stub.GetFeature(point(1, 1), timeout=DEADLINE, metadata=metadata),
        drained(stub.RouteChat(iter([note(1, 1, "x")]), timeout=DEADLINE, metadata=metadata)),
    ):
        error = await failure(call)
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert reason(error) == "UNAUTHENTICATED"
        assert TOKEN not in (error.details() or "")


async def test_probes_need_no_token(guarded: grpc.aio.Channel) -> None:
    health = health_pb2_grpc.HealthStub(guarded)
    answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    rpc: Any = guarded.stream_unary("/AWS.ALB/healthcheck")
    assert (await failure(rpc(iter([]), timeout=DEADLINE))).code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(("guarded_too", "opens"), [(True, False), (False, True)])
async def test_reflection_is_as_configured(
    start_server: StartServer, open_channel: OpenChannel, guarded_too: bool, opens: bool
) -> None:
    channel = open_channel(
        await start_server(auth_tokens=TOKEN, auth_reflection=guarded_too, **BEHIND_A_BALANCER)
    )
    rpc: Any = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
    )
    call = drained(rpc(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=DEADLINE))

    if opens:
        assert len(await call) == 1
    else:
        assert (await failure(call)).code() is grpc.StatusCode.UNAUTHENTICATED


async def test_tokens_in_a_file(start_server: StartServer, open_channel: OpenChannel, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"# ours\n{TOKEN}\n")
    stub: Stub = RouteGuideStub(
        open_channel(await start_server(auth_tokens_file=str(tokens), **BEHIND_A_BALANCER))
    )

    await stub.GetFeature(point(1, 1), timeout=DEADLINE, metadata=bearer(TOKEN))
    error = await failure(stub.GetFeature(point(1, 1), timeout=DEADLINE, metadata=bearer(OTHER)))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_client_that_calls_too_often(start_server: StartServer, open_channel: OpenChannel) -> None:
    channel = open_channel(await start_server(rate_limit=0.01, rate_burst=5))
    stub: Stub = RouteGuideStub(channel)
    for _ in range(5):
        await stub.GetFeature(point(1, 1), timeout=DEADLINE)

    error = await failure(stub.GetFeature(point(1, 1), timeout=DEADLINE))

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason(error) == "RATE_LIMITED"
    health = health_pb2_grpc.HealthStub(channel)
    for _ in range(20):
        await health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE)


async def test_guessing_at_tokens_is_limited_too(
    start_server: StartServer, open_channel: OpenChannel
) -> None:
    server = await start_server(auth_tokens=TOKEN, rate_limit=0.01, rate_burst=3, **BEHIND_A_BALANCER)
    stub: Stub = RouteGuideStub(open_channel(server))
    guess: dict[str, Any] = {"timeout": DEADLINE, "metadata": bearer("wrong-but-long-enough-token")}

    told = [reason(await failure(stub.GetFeature(point(1, 1), **guess))) for _ in range(5)]

    assert told == ["UNAUTHENTICATED"] * 3 + ["RATE_LIMITED"] * 2


async def test_clients_behind_a_trusted_balancer_are_told_apart(
    start_server: StartServer, open_channel: OpenChannel
) -> None:
    server = await start_server(rate_limit=0.01, rate_burst=1, trust_forwarded_for=True)
    stub: Stub = RouteGuideStub(open_channel(server))

    async def call(forwarded: str) -> grpc.StatusCode:
        metadata = (("x-forwarded-for", forwarded),)
        try:
            await stub.GetFeature(point(1, 1), timeout=DEADLINE, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    assert await call("192.0.2.1") is grpc.StatusCode.OK
    assert await call("192.0.2.2") is grpc.StatusCode.OK
    assert await call("203.0.113.9, 192.0.2.1") is grpc.StatusCode.RESOURCE_EXHAUSTED, (
        "its own word counts not"
    )
