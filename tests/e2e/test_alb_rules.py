"""What the local balancer does with connections and requests, as an ALB does."""

import asyncio
import re
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc

from tests.support.alb import Alb, alb
from tests.support.raw_http2 import HEADERS, Headers, raw_client
from tests.support.scripted_target import scripted_target
from tests.support.wire import DEADLINE, failure

METHOD = "/routeguide.RouteGuide/GetFeature"
TRACE = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")


def get_feature(channel: grpc.aio.Channel) -> Any:
    """The method, with messages as they are on the wire."""
    return channel.unary_unary(METHOD)


def stream(channel: grpc.aio.Channel) -> Any:
    """The same, with a request that one may keep open."""
    return channel.stream_unary(METHOD)


def context(balancer: Alb, *protocols: str) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=balancer.ca_file)
    made.set_alpn_protocols(protocols)
    return made


async def status_line(balancer: Alb, request: str) -> str:
    """The first line of the answer to a request in HTTP/1.1."""
    tls = context(balancer, "http/1.1")
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection("localhost", balancer.port, ssl=tls)
        writer.write(
            f"{request} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/grpc\r\n\r\n".encode()
        )
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
    return line.decode()


def changed(name: str, value: str) -> Headers:
    return [(name, value) if name == own else (own, other) for own, other in HEADERS]


async def test_464_for_what_is_not_grpc(tmp_path: Path) -> None:
    async with scripted_target(12) as scripted, alb(tmp_path, scripted.target) as balancer:
        for request in (f"GET {METHOD}", f"POST {METHOD}"):
            assert (await status_line(balancer, request)).startswith("HTTP/1.1 464 ")
        async with raw_client(balancer.port, context(balancer, "h2")) as client:
            for headers in (changed(":method", "PUT"), changed("content-type", "application/json")):
                response = await client.call(METHOD, headers=headers)
                assert (response.headers[":status"], response.status) == ("464", None)
            assert client.streams_allowed == 128

    assert scripted.metadata == []


async def test_the_headers_that_an_alb_adds(tmp_path: Path) -> None:
    async with scripted_target(12) as scripted, alb(tmp_path, scripted.target) as balancer:
        for sent in (
            {},
            {"x-amzn-trace-id": "Root=1-mine", "x-request-id": "mine", "x-forwarded-for": "192.0.2.1"},
        ):
            async with balancer.channel() as channel:
                await get_feature(channel)(b"", timeout=DEADLINE, metadata=tuple(sent.items()))

    plain, own = scripted.metadata
    assert re.fullmatch(rf"Root={TRACE.pattern}", plain["x-amzn-trace-id"])
    client = plain["x-forwarded-for"]
    ip_address(client)  # which of this machine's is Envoy's choice: it never writes that of the loopback
    assert (plain["x-forwarded-proto"], plain["x-forwarded-port"]) == ("https", str(balancer.port))
    assert "x-request-id" not in plain
    assert re.fullmatch(rf"Self={TRACE.pattern};Root=1-mine", own["x-amzn-trace-id"])
    assert own["x-forwarded-for"] == f"192.0.2.1,{client}"
    assert own["x-request-id"] == "mine"
    assert not [name for each in scripted.metadata for name in each if name.startswith("x-envoy")]


async def test_goaway_after_so_many_requests_loses_no_call(tmp_path: Path) -> None:
    async with scripted_target(12) as scripted, alb(tmp_path, scripted.target, max_requests=50) as balancer:
        async with balancer.channel() as channel:
            call = get_feature(channel)
            for _ in range(20):
                await asyncio.gather(*(call(b"", timeout=DEADLINE) for _ in range(20)))
        connections = await balancer.counter("http.clients.downstream_cx_total")

    assert len(scripted.metadata) == 400
    assert connections >= 400 / (50 + 20)  # those of a batch that were under way come on top


async def test_calls_beyond_the_limit_of_a_connection_wait(tmp_path: Path) -> None:
    async with (
        scripted_target(12) as scripted,
        alb(tmp_path, scripted.target, max_streams=1) as balancer,
        balancer.channel() as channel,
    ):
        first = stream(channel)(timeout=DEADLINE)
        await first.wait_for_connection()
        second = asyncio.ensure_future(get_feature(channel)(b"", timeout=DEADLINE))
        done, _ = await asyncio.wait({second}, timeout=0.3)  # it would take a few milliseconds
        assert not done
        await first.write(b"")
        await first.done_writing()
        assert (await first, await second) == (b"", b"")


async def test_a_balancer_without_targets_is_unavailable(tmp_path: Path) -> None:
    async with alb(tmp_path) as balancer, balancer.channel() as channel:
        error = await failure(get_feature(channel)(b"", timeout=DEADLINE))
        assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_more_calls_at_the_same_time_than_envoy_allows_by_itself(tmp_path: Path) -> None:
    """Its limit would be 1024."""
    async with (
        scripted_target(12) as scripted,
        alb(tmp_path, scripted.target, max_streams=2000) as balancer,
        balancer.channel() as channel,
    ):
        waiting = [stream(channel)(timeout=DEADLINE) for _ in range(1100)]
        await asyncio.gather(*(each.wait_for_connection() for each in waiting))
        assert await get_feature(channel)(b"", timeout=DEADLINE) == b""
        for each in waiting:
            each.cancel()


async def test_pings_do_not_keep_a_quiet_call(tmp_path: Path) -> None:
    async with (
        scripted_target(12) as scripted,
        alb(tmp_path, scripted.target, idle_timeout=2) as balancer,
        raw_client(balancer.port, context(balancer, "h2")) as client,
        asyncio.timeout(DEADLINE),
    ):
        quiet = asyncio.create_task(client.ended(client.begin(METHOD, end=False)))
        while not quiet.done():
            client.ping()
            await asyncio.wait({quiet}, timeout=0.1)

    assert (await quiet).status == grpc.StatusCode.UNAVAILABLE.value[0]
    assert client.pings_answered > 0
