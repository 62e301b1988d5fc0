"""Peers that break the rules, or keep them in bad faith: nobody else may notice.

Throughout each attack health answers promptly on a connection of its own, all calls of a client that behaves
end as they should, and afterwards the server has at most a fifth more memory than before.
"""

import asyncio
import signal
import socket
import struct
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress

import pytest
from hpack import Encoder

from tests.support.bystanders import unharmed
from tests.support.raw_http2 import HEADERS, framed, raw_client
from tests.support.server_process import ServerProcess, server_process
from tests.support.wire import rectangle

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
    pytest.mark.timeout(180),  # an attack, and then half a minute in which memory may come back
]

LONGEST_ATTACK = 90.0
"""Seconds; most take three, on a machine with nothing else to do."""

GET_FEATURE = "/routeguide.RouteGuide/GetFeature"
LIST_FEATURES = "/routeguide.RouteGuide/ListFeatures"
RECORD_ROUTE = "/routeguide.RouteGuide/RecordRoute"
WATCH = "/grpc.health.v1.Health/Watch"
EVERYTHING = framed(rectangle(-900_000_000, -1_800_000_000, 900_000_000, 1_800_000_000).SerializeToString())

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""What a client says first, with empty settings."""

HEADERS_FRAME, CONTINUATION_FRAME = 1, 9
END_HEADERS = 4
LARGEST_FRAME = 16_384
START = Encoder().encode([(":path", GET_FEATURE), *HEADERS])
"""The headers that every call has."""

Attack = Callable[[int], Awaitable[None]]
"""On the server at a port of this machine."""


@pytest.fixture
async def server() -> AsyncGenerator[ServerProcess, None]:
    """A server that need not refuse a call at random, as grpc's core does when too many wait to be accepted.

    An attack makes ten thousand at most, and a busy machine may be slow to accept them.
    """
    settings = {"unary_timeout": "3", "stop_grace": "25", "max_pending_calls": "10000"}
    async with server_process(storage_url="memory://", **settings) as server:
        yield server


async def test_watchers_of_health_that_accept_nothing(server: ServerProcess) -> None:
    async def attack(port: int) -> None:
        async with raw_client(port) as peer:
            peer.accept_nothing()
            for _ in range(50):
                peer.begin(WATCH, [framed(b"")])
                await peer.sent()
            await asyncio.sleep(3)

    await under(attack, server, peers=10)


@pytest.mark.parametrize("path", [WATCH, GET_FEATURE, LIST_FEATURES, RECORD_ROUTE])
async def test_peers_that_accept_nothing_do_not_delay_the_stop(server: ServerProcess, path: str) -> None:
    async with raw_client(server.port) as peer:
        peer.accept_nothing()
        for _ in range(50):
            peer.begin(path, [framed(b"") if path != LIST_FEATURES else EVERYTHING])
        await asyncio.sleep(0.5)  # in which all have begun
        started = time.monotonic()
        assert await server.stop(signal.SIGTERM) == 0
        assert time.monotonic() - started < 10, "the grace is 25"


async def test_rapid_reset(server: ServerProcess) -> None:
    """Each call is given up as soon as it is made, so that no limit on open streams ever counts it."""

    async def attack(port: int) -> None:
        async with raw_client(port) as peer:
            for _ in range(1000):
                peer.reset(peer.begin(GET_FEATURE, [framed(b"")], end=False))
                await peer.sent()

    await under(attack, server, peers=10)


async def test_calls_half_closed_without_a_message(server: ServerProcess) -> None:
    async def attack(port: int) -> None:
        async with raw_client(port) as peer:
            for _ in range(250):
                peer.begin(GET_FEATURE)
                await peer.sent()
            await asyncio.sleep(4)

    await under(attack, server, peers=4)


async def test_calls_that_never_send_their_message(server: ServerProcess) -> None:
    """They end with the deadline for unary calls."""

    async def attack(port: int) -> None:
        async with raw_client(port) as peer:
            for _ in range(199):
                peer.begin(GET_FEATURE, end=False)
                await peer.sent()
            response = await peer.call(GET_FEATURE, end=False)
            assert response.status == 4

    await under(attack, server, peers=4)


async def test_flood_of_headers(server: ServerProcess) -> None:
    async with unharmed(server):
        for attack in (large_headers, endless_headers, headers_from_little):
            await all_of(attack, server.port, peers=5)


async def test_slow_readers(server: ServerProcess) -> None:
    """They take a few bytes a second of what they asked for."""

    async def attack(port: int) -> None:
        async with raw_client(port) as peer:
            peer.accept_nothing()
            streams = [peer.begin(LIST_FEATURES, [EVERYTHING]) for _ in range(20)]
            await peer.sent()
            for _ in range(20):
                for stream in streams:
                    peer.accept(stream, 1)
                await peer.sent()
                await asyncio.sleep(0.2)

    await under(attack, server, peers=20)


async def test_slow_writers(server: ServerProcess) -> None:
    """They send a message of 1 kB, a byte at a time."""

    async def attack(port: int) -> None:
        async with raw_client(port) as peer:
            streams = [peer.begin(RECORD_ROUTE, end=False), peer.begin(GET_FEATURE, end=False)]
            for byte in framed(b"", length=1000) + bytes(20):
                for stream in streams:
                    peer.send_on(stream, bytes([byte]))
                await peer.sent()
                await asyncio.sleep(0.1)

    await under(attack, server, peers=200)


async def test_connections_opened_and_dropped(server: ServerProcess) -> None:
    numbers = iter(range(10_000))

    async def attack(port: int) -> None:
        for number in numbers:  # shared by all peers
            await open_and_drop(port, abruptly=number % 2 == 0, greeting=PREFACE if number % 3 else b"")

    await under(attack, server, peers=100)
    assert next(numbers, None) is None


async def under(attack: Attack, server: ServerProcess, *, peers: int) -> None:
    async with unharmed(server):
        await all_of(attack, server.port, peers=peers)


async def all_of(attack: Attack, port: int, *, peers: int) -> None:
    """`attack` by so many peers at once; the server may hang up on any of them."""

    async def attack_once() -> None:
        with suppress(ConnectionError):
            await attack(port)

    async with asyncio.timeout(LONGEST_ATTACK), asyncio.TaskGroup() as group:
        for _ in range(peers):
            group.create_task(attack_once())


async def open_and_drop(port: int, *, abruptly: bool, greeting: bytes) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as peer:
        peer.setblocking(False)
        if abruptly:  # closing sends a reset
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await loop.sock_connect(peer, ("127.0.0.1", port))
        await loop.sock_sendall(peer, greeting)


async def large_headers(port: int) -> None:
    """100 kB for each call."""
    async with raw_client(port) as peer:
        for stream in range(1, 100, 2):
            peer.send_raw(frame(HEADERS_FRAME, START, stream))
            for _ in range(6):
                peer.send_raw(frame(CONTINUATION_FRAME, literal(b"x-flood", b"a" * 16_000), stream))
            peer.send_raw(frame(CONTINUATION_FRAME, b"", stream, flags=END_HEADERS))
            await peer.sent()


async def endless_headers(port: int) -> None:
    """16 MB for one call, whose headers never end."""
    async with raw_client(port) as peer:
        peer.send_raw(frame(HEADERS_FRAME, START))
        for _ in range(1000):
            peer.send_raw(frame(CONTINUATION_FRAME, literal(b"x-flood", b"a" * 16_000)))
            await peer.sent()


async def headers_from_little(port: int) -> None:
    """4 kB in the table of headers, and then named with a byte each: 1.6 MB that stand for 6 GB."""
    async with raw_client(port) as peer:
        peer.send_raw(frame(HEADERS_FRAME, START + literal(b"x-flood", b"a" * 3900, remembered=True)))
        for _ in range(100):
            peer.send_raw(frame(CONTINUATION_FRAME, b"\xbe" * 16_000))
            await peer.sent()


def frame(kind: int, payload: bytes, stream: int = 1, *, flags: int = 0) -> bytes:
    """A frame that ends nothing, neither the headers nor the stream, unless its flags say so."""
    assert len(payload) <= LARGEST_FRAME
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name: bytes, value: bytes, *, remembered: bool = False) -> bytes:
    """A header as HPACK writes one that is in no table; if `remembered` it is entered there."""
    return bytes([0x40 if remembered else 0]) + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    rest = len(text) - 127
    if rest < 0:
        return bytes([len(text)]) + text
    length = [127]
    while rest >= 128:
        length.append(rest % 128 + 128)
        rest //= 128
    return bytes([*length, rest]) + text
