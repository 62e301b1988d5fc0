"""Stopping: nobody who behaves loses a call, and nobody who does not holds the server up."""

import asyncio
import random
import signal
import time

import grpc
import pytest

from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.conftest import CHANNEL_OPTIONS
from tests.support.balancer import balanced
from tests.support.mixed_load import MixedLoad
from tests.support.raw_http2 import framed, raw_client
from tests.support.server_process import server_process
from tests.support.wire import DEADLINE, Stub, failure, next_note, note, reason

LONG_GRACE = "15"
PROMPTLY = 5.0
"""Seconds: well below the grace, well above a second of quiet and a moment to flush."""

INTERVAL, THRESHOLD, DELAY, GRACE = 0.2, 2, 1.5, 3.0
"""Of the balancer's probes and of the drain, in seconds: the delay exceeds interval x threshold by far."""


async def test_quiet_stream_is_told_to_reconnect_and_does_not_use_up_the_grace() -> None:
    async with server_process(storage_url="memory://", stop_grace=LONG_GRACE) as server:
        async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
            stub: Stub = RouteGuideStub(channel)
            chat = stub.RouteChat(timeout=2 * DEADLINE)
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
        async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
            stub: Stub = RouteGuideStub(channel)
            chat = stub.RouteChat(timeout=2 * DEADLINE)
            await chat.write(note(1, 1, "0"))
            await chat.write(note(1, 1, "1"))
            assert (await next_note(chat)).message == "0"
            server.send(signal.SIGTERM)
            for index in range(2, 9):  # for longer than a stream may be quiet
                await asyncio.sleep(0.3)
                await chat.write(note(1, 1, str(index)))
                assert [(await next_note(chat)).message for _ in range(index)] == list(map(str, range(index)))
            await chat.done_writing()
            assert await chat.read() is grpc.aio.EOF
            assert await chat.code() is grpc.StatusCode.OK
        assert await server.exit_code() == 0


async def test_peers_that_read_nothing_do_not_use_up_the_grace() -> None:
    # 400 notes are answered with 79 800 others: more than all windows and buffers hold.
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
    times = {"drain_delay": "20", "stop_grace": "15", "platform_stop_timeout": "30"}
    async with server_process(storage_url="memory://", **times) as server:
        (warning,) = [entry for entry in server.log if entry["level"] == "warning"]
        assert "delay + grace + storage timeout must stay below its stop timeout" in warning["event"]
        assert (warning["longest"], warning["platform"]) == (40.0, 30.0)


async def replace_one_of_two(seed: int) -> None:
    """Stops one of two servers under 300 calls a second; none of them may fail."""
    times = {"drain_delay": str(DELAY), "stop_grace": str(GRACE)}
    async with (
        server_process(storage_url="memory://", **times) as leaving,
        server_process(storage_url="memory://", **times) as staying,
        balanced([leaving.address, staying.address], interval=INTERVAL, threshold=THRESHOLD) as balancer,
    ):
        load = MixedLoad(balancer.next_stub, rate=300, seed=seed)
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
        assert set(load.ended) == {"ok"}, load.ended
        assert load.ended["ok"] > 300


@pytest.mark.parametrize("seed", range(5))
async def test_no_call_is_lost_when_the_delay_is_respected(seed: int) -> None:
    await replace_one_of_two(seed)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_no_call_is_lost_in_a_hundred_stops() -> None:
    for seed in range(100, 200):
        await replace_one_of_two(seed)
