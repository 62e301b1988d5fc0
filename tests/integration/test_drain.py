"""Stopping: nobody who behaves loses a call, and nobody who does not holds the server up."""

import asyncio
import random
import signal
import socket
import time
from pathlib import Path

import grpc
import pytest

from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from routeguide.server.app import serving
from routeguide.settings import Settings
from tests.conftest import CHANNEL_OPTIONS, OpenChannel
from tests.support.balancer import balanced
from tests.support.conversation import conversation
from tests.support.locks import locked
from tests.support.mixed_load import MixedLoad
from tests.support.raw_http2 import framed, raw_client
from tests.support.server_process import server_process
from tests.support.wire import DEADLINE, Stub, failure, next_note, note, reason

LONG_GRACE = "25"
PROMPTLY = 10.0
"""Seconds: well below the grace, well above a second of quiet and a moment to flush."""

RATE = 300
"""Calls a second."""

INTERVAL, THRESHOLD, DELAY, GRACE = 0.2, 2, 3.0, 6.0
"""Of the balancer's probes and of the drain, in seconds: the delay exceeds interval x threshold by far."""


async def test_quiet_stream_is_told_to_reconnect_and_does_not_use_up_the_grace() -> None:
    async with server_process(storage_url="memory://", stop_grace=LONG_GRACE) as server:
        async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
            stub: Stub = RouteGuideStub(channel)
            chat = stub.RouteChat(timeout=DEADLINE)
            await chat.write(note(1, 1, "a"))
            await chat.write(note(1, 1, "b"))
            await next_note(chat)
            started = time.monotonic()
            stopped = asyncio.create_task(server.stop())
            error = await failure(chat.read())

        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert error.details() == "the server is stopping; reconnect"
        assert reason(error) == "RECONNECT"
        assert await stopped == 0
        assert time.monotonic() - started < PROMPTLY


async def test_busy_stream_may_go_on_within_the_grace() -> None:
    async with server_process(storage_url="memory://", stop_grace=LONG_GRACE) as server:
        async with (
            grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel,
            conversation(RouteGuideStub(channel)),
        ):
            server.send(signal.SIGTERM)
            await server.logged("draining")
            await asyncio.sleep(2)  # for longer than a stream may be quiet
        assert await server.exit_code() == 0


async def test_calls_are_cut_off_when_the_grace_ends(
    open_channel: OpenChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not once they are quiet, nor after the moment that last words have to go out; here both are long."""
    monkeypatch.setattr("routeguide.server.supervisor._QUIET", 60.0)
    monkeypatch.setattr("routeguide.server.drain._FLUSH", 60.0)
    async with asyncio.timeout(20):
        async with serving(Settings(listen="localhost:0", storage_url="memory://", stop_grace=0.1)) as server:
            stub: Stub = RouteGuideStub(open_channel(server))
            chats = [stub.RouteChat(timeout=DEADLINE) for _ in range(3)]
            for place, chat in enumerate(chats):
                await chat.write(note(1, place, "a"))
                await chat.write(note(1, place, "b"))
                await next_note(chat)
        for chat in chats:
            assert (await failure(chat.read())).details() == "the server is stopping; reconnect"


async def test_peers_that_read_nothing_do_not_use_up_the_grace() -> None:
    # 400 notes are answered with 34 950 others, of which a location keeps 100: more than all buffers hold.
    notes = b"".join(framed(note(1, 1, "x" * 10).SerializeToString()) for _ in range(400))
    async with (
        server_process(storage_url="memory://", stop_grace=LONG_GRACE) as server,
        raw_client(server.port) as watcher,
        raw_client(server.port) as chatter,
    ):
        watcher.begin("/grpc.health.v1.Health/Watch", [framed(b"")])
        chatter.begin("/routeguide.RouteGuide/RouteChat", [notes[:16_000]], end=False)
        await asyncio.sleep(1)  # so that the chat is stuck in a write
        started = time.monotonic()
        assert await server.stop() == 0
        assert time.monotonic() - started < PROMPTLY


async def test_stop_timing_is_told_and_checked_at_start() -> None:
    times = {"drain_delay": "20", "stop_grace": "15", "storage_timeout": "5", "platform_stop_timeout": "49.5"}
    collector = "http://localhost:4318"
    async with server_process(storage_url="memory://", otlp_endpoint=collector, **times) as server:
        timing = next(entry for entry in server.log if entry["event"] == "stop timing")
        parts = [timing[part] for part in ("delay", "grace", "storage", "telemetry", "closing")]
        assert parts == [20, 15, 10, 2.5, 2]
        (warning,) = [entry for entry in server.log if entry["level"] == "warning"]
        assert "its stop timeout must be longer than the longest stop" in warning["event"]
        assert (warning["longest"], warning["platform"]) == (sum(parts), 49.5)


async def test_longest_stop_is_as_long_as_was_told(tmp_path: Path) -> None:
    """With what delays it: calls and checks that wait for a locked store, a collector without a word."""
    database = tmp_path / "routeguide.db"
    times = {"stop_grace": "3", "storage_timeout": "3", "storage_probe_interval": "0.1"}
    with socket.create_server(("localhost", 0)) as collector:
        endpoint = f"http://localhost:{collector.getsockname()[1]}"
        async with (
            server_process(storage_url=f"sqlite:///{database}", otlp_endpoint=endpoint, **times) as server,
            grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel,
        ):
            timing = next(entry for entry in server.log if entry["event"] == "stop timing")
            stub: Stub = RouteGuideStub(channel)
            chat = stub.RouteChat(timeout=DEADLINE)
            with locked(database):
                await chat.write(note(1, 1, "a"))
                started = time.monotonic()
                assert await server.stop() == 0
                took = time.monotonic() - started
            chat.cancel()
    assert took < timing["longest"]


async def replace_one_of_two(seed: int) -> None:
    """Stops one of two servers under 300 calls a second; none of them may fail."""
    times = {"drain_delay": str(DELAY), "stop_grace": str(GRACE)}
    async with (
        server_process(storage_url="memory://", **times) as leaving,
        server_process(storage_url="memory://", **times) as staying,
        balanced([leaving.address, staying.address], interval=INTERVAL, threshold=THRESHOLD) as balancer,
    ):
        load = MixedLoad(balancer.next_stub, rate=RATE, seed=seed)
        running = asyncio.create_task(load.run())
        await asyncio.sleep(0.5 + random.Random(seed).random() * INTERVAL)  # noqa: S311  # repeatable
        started = time.monotonic()
        code = await leaving.stop()
        took = time.monotonic() - started
        running.cancel()
        await asyncio.wait([running])
        await load.finish()
        assert code == 0
        assert took < DELAY + GRACE
        assert load.ended == {"ok": load.started}
        assert load.started > 0.9 * RATE * DELAY


@pytest.mark.parametrize("seed", range(5))
async def test_no_call_is_lost_when_the_delay_is_respected(seed: int) -> None:
    await replace_one_of_two(seed)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_no_call_is_lost_in_a_hundred_stops() -> None:
    for seed in range(100, 200):
        await replace_one_of_two(seed)
