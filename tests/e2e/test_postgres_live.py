"""Three servers on one database: every live stream hears everybody, whatever happens to the announcements.

Takes about fifteen seconds.
"""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count

import grpc
import pytest

from routeguide.pb import route_guide_pb2 as pb
from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.conftest import CHANNEL_OPTIONS
from tests.support.postgres import Cluster, administer
from tests.support.server_process import ServerProcess, server_process
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.wire import Stub, drained, note

DEADLINE = 60.0
SERVERS, STREAMS_EACH, PLACES, NOTES_A_ROUND = 3, 4, 4, 5

CUT_IN_THE_DATABASE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%listening'"
)
LISTENS = "hears what other servers store"
LOST = "does not hear what other servers store, and looks once a second"


class Talker:
    """A live stream that leaves notes at all places and keeps what it is sent, by place."""

    def __init__(self, name: str, stub: Stub) -> None:
        self.own: list[str] = []
        self.heard: list[pb.RouteNote] = []
        self._name = name
        self._chat = stub.RouteChat(timeout=10 * DEADLINE, metadata=(("routeguide-live", "true"),))
        self._dice = random.Random(name)  # noqa: S311  # repeatable
        self._numbers = count()
        self._more = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    async def speak(self, place: int) -> None:
        message = f"{self._name}.{next(self._numbers)}"
        self.own.append(message)
        await self._chat.write(note(place, 0, message))

    async def speak_around(self, notes: int) -> None:
        for _ in range(notes):
            await self.speak(self._dice.randrange(PLACES))

    async def has_heard(self, number: int) -> None:
        """Returns when so many notes have come, or the stream has failed."""
        async with asyncio.timeout(DEADLINE):
            while len(self.heard) < number and not self._listening.done():
                self._more.clear()
                await self._more.wait()

    async def finish(self) -> None:
        """Ends the stream, and with it everything that was still under way."""
        await self._chat.done_writing()
        async with asyncio.timeout(DEADLINE):
            await self._listening

    def heard_at(self, place: int) -> list[str]:
        return [each.message for each in self.heard if each.location.latitude == place]

    async def _listen(self) -> None:
        try:
            async for each in self._chat:
                self.heard.append(each)
                self._more.set()
        finally:
            self._more.set()


@asynccontextmanager
async def server_on(
    cluster: Cluster, database: str, announcements: TcpProxy
) -> AsyncGenerator[ServerProcess, None]:
    """A server that hears announcements through a proxy, and does all else without."""
    async with server_process(
        storage_url=cluster.url_of(database),
        postgres_listen_url=cluster.url_of(database, port=announcements.port),
        live_chat="true",
        notes_per_location="2000",
        live_waiting_notes="10000",
        postgres_pool_size="4",
    ) as server:
        yield server


async def cut(cluster: Cluster, announcements: TcpProxy, place: int) -> None:
    """Cuts what the servers listen on: on the way, or in the database."""
    if place % 2:
        await announcements.cut()
    else:
        await administer(cluster, CUT_IN_THE_DATABASE)


async def has_logged(server: ServerProcess, event: str) -> None:
    """Returns when `server` has told of `event`, now or before."""
    if all(entry["event"] != event for entry in server.log):
        await server.logged(event)


async def stub_of(stack: AsyncExitStack, server: ServerProcess) -> Stub:
    channel = grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS)
    return RouteGuideStub(await stack.enter_async_context(channel))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", [6, pytest.param(60, marks=pytest.mark.soak)])
async def test_every_note_reaches_every_listener_once_and_in_order(
    postgres_cluster: Cluster, postgres_url: str, rounds: int
) -> None:
    database = postgres_url.rpartition("/")[2]
    async with AsyncExitStack() as stack:
        announcements = await stack.enter_async_context(tcp_proxy(postgres_cluster.port))
        servers = [
            await stack.enter_async_context(server_on(postgres_cluster, database, announcements))
            for _ in range(SERVERS)
        ]
        await asyncio.gather(*(has_logged(server, LISTENS) for server in servers))
        stubs = [await stub_of(stack, server) for server in servers for _ in range(STREAMS_EACH)]
        talkers = [Talker(str(name), stub) for name, stub in enumerate(stubs)]

        for place in range(PLACES):  # from here on everybody follows every place
            await asyncio.gather(*(talker.speak(place) for talker in talkers))
        for each in range(rounds):
            await asyncio.gather(
                cut(postgres_cluster, announcements, each),
                *(talker.speak_around(NOTES_A_ROUND) for talker in talkers),
            )
            await asyncio.gather(*(server.logged(LOST) for server in servers))
            await asyncio.gather(*(talker.speak_around(NOTES_A_ROUND) for talker in talkers))
            await asyncio.gather(*(server.logged(LISTENS) for server in servers))  # or the next hits nothing
        total = sum(len(talker.own) for talker in talkers)
        await asyncio.gather(*(talker.has_heard(total - len(talker.own)) for talker in talkers))
        await asyncio.gather(*(talker.finish() for talker in talkers))

        for place in range(PLACES):
            everything = await drained(stubs[0].RouteChat(iter([note(place, 0, "?")]), timeout=DEADLINE))
            order = [each.message for each in everything]
            for talker in talkers:
                own = set(talker.own)
                assert talker.heard_at(place) == [each for each in order if each not in own]
