"""Of any two notes at a location exactly one writer sees the other: over three servers with one PostgreSQL.

Checked over the full record of a run in which one server is killed and another takes its place, and in which
PostgreSQL crashes and comes back.
"""

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import combinations, count, pairwise
from typing import TypeAlias

import grpc
import pytest

from routeguide.pb import route_guide_pb2 as pb
from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.conftest import CHANNEL_OPTIONS
from tests.support.postgres import Cluster, running_cluster
from tests.support.server_process import ServerProcess, server_process
from tests.support.wire import Stub, next_note, note

SERVERS = 3
STREAMS = 60
LOCATIONS = 20

PATIENT = {
    "postgres_statement_timeout": "20",
    "postgres_acquire_timeout": "20",
    "storage_timeout": "25",
    "unary_timeout": "60",
}
"""Seconds: streams may break for a server or database that is gone, but not for one that is slow."""

RECORD_DEADLINE = 1200.0
"""Seconds for the full number of notes, each of which is answered with up to a thousand: some minutes."""

CUT_WHILE_WRITING = ("INTERNAL", "Internal error from Core")
"""What grpc.aio itself tells a writer whose connection breaks at that moment; no server has sent it."""

Chat: TypeAlias = "grpc.aio.StreamStreamCall[pb.RouteNote, pb.RouteNote]"

Record = dict[int, dict[str, list[str]]]
"""By location: the notes that were answered, each with what its writer was sent."""


class Servers:
    """Servers with the same database; a place in the row keeps its number when its server is replaced."""

    def __init__(self, stack: AsyncExitStack, **settings: str) -> None:
        self._stack = stack
        self._settings = settings
        self._processes: dict[int, ServerProcess] = {}
        self._stubs: dict[int, Stub] = {}

    async def start(self, place: int) -> None:
        process = await self._stack.enter_async_context(server_process(**self._settings))
        channel = grpc.aio.insecure_channel(process.address, options=CHANNEL_OPTIONS)
        self._processes[place] = process
        self._stubs[place] = RouteGuideStub(await self._stack.enter_async_context(channel))

    async def kill(self, place: int) -> None:
        assert await self._processes[place].stop(signal.SIGKILL) == -signal.SIGKILL

    def at(self, place: int) -> Stub:
        return self._stubs[place]


class Writers:
    """Streams that write until enough notes are answered, and open anew whenever they break."""

    def __init__(self, servers: Servers, wanted: int) -> None:
        self._servers = servers
        self._wanted = wanted
        self._milestones: dict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self.record: Record = defaultdict(dict)
        self.answered = 0
        self.broken: set[tuple[str, str]] = set()
        """Code and details of each way in which a stream broke."""

    async def run(self) -> None:
        await asyncio.gather(*map(self._keep_writing, range(STREAMS)))

    async def reached(self, answered: int) -> None:
        """Returns once so many notes are answered."""
        if self.answered < answered:
            await self._milestones[answered].wait()

    async def _keep_writing(self, writer: int) -> None:
        numbers = count()
        while self.answered < self._wanted:
            chat = self._servers.at(writer % SERVERS).RouteChat(timeout=RECORD_DEADLINE)
            try:
                await self._write(chat, writer, numbers)
            except (grpc.aio.AioRpcError, AssertionError, asyncio.InvalidStateError):
                # The two others are how it shows where grpc.aio is about to read or to write.
                self.broken.add(((await chat.code()).name, await chat.details()))
            await asyncio.sleep(0.1)  # as a client backs off

    async def _write(self, chat: Chat, writer: int, numbers: Iterator[int]) -> None:
        """Note after note. Each is followed by two at a place of their own, of which the second is answered
        with the first: so whatever comes before that answer belongs to the note."""
        while self.answered < self._wanted:
            number = next(numbers)
            location, message = (writer * 7 + number) % LOCATIONS, f"{writer}.{number}"
            await chat.write(note(0, location, message))
            for _ in range(2):
                await chat.write(note(1 + writer, number, message))
            replies = []
            while (reply := await next_note(chat)).location.latitude == 0:
                replies.append(reply.message)
            self._add(location, message, replies)
        await chat.done_writing()
        assert await chat.read() is grpc.aio.EOF

    def _add(self, location: int, message: str, replies: list[str]) -> None:
        self.record[location][message] = replies
        self.answered += 1
        if milestone := self._milestones.get(self.answered):
            milestone.set()


@asynccontextmanager
async def three_servers(cluster: Cluster, keeps: int) -> AsyncGenerator[Servers, None]:
    async with AsyncExitStack() as stack:
        settings = {"seed_features": "none", "notes_per_location": str(keeps)} | PATIENT
        servers = Servers(stack, storage_url=cluster.url, **settings)
        await asyncio.gather(
            *map(servers.start, range(SERVERS))
        )  # on an empty database: one of them migrates
        yield servers


async def disturb(servers: Servers, cluster: Cluster, writers: Writers, notes: int) -> None:
    """Kills and replaces a server after a third of the notes, crashes PostgreSQL after the second third."""
    await writers.reached(notes // 3)
    assert not writers.broken
    await servers.kill(0)
    await servers.start(0)
    await writers.reached(2 * notes // 3)
    await asyncio.to_thread(cluster.stop, "immediate")
    await asyncio.to_thread(cluster.start)


@pytest.mark.parametrize(
    "notes",
    [
        pytest.param(2_000, marks=pytest.mark.timeout(240)),  # takes some ten seconds
        pytest.param(20_000, marks=[pytest.mark.timeout(1500), pytest.mark.soak]),
    ],
)
async def test_of_any_two_notes_exactly_one_writer_saw_the_other(notes: int) -> None:
    with running_cluster() as cluster:
        async with three_servers(cluster, keeps=notes // LOCATIONS * 3) as servers:
            writers = Writers(servers, notes)
            async with asyncio.timeout(RECORD_DEADLINE):
                await asyncio.gather(writers.run(), disturb(servers, cluster, writers, notes))
            await assert_nothing_answered_is_lost(servers.at(0), writers.record)
    assert writers.answered >= notes
    assert {code for code, _ in writers.broken - {CUT_WHILE_WRITING}} == {"UNAVAILABLE"}, writers.broken
    assert len(writers.record) == LOCATIONS
    for seen in writers.record.values():
        assert_one_order(seen)


def assert_one_order(seen: dict[str, list[str]]) -> None:
    """Nothing was dropped, so what each writer saw is where the next ones began."""
    for one, other in combinations({message: set(replies) for message, replies in seen.items()}.items(), 2):
        assert (one[0] in other[1]) != (other[0] in one[1]), (one[0], other[0])
    in_order = sorted(seen.values(), key=len)
    for earlier, later in pairwise(in_order):
        assert later[: len(earlier)] == earlier


async def assert_nothing_answered_is_lost(stub: Stub, record: Record) -> None:
    for location, seen in record.items():
        chat = stub.RouteChat(timeout=RECORD_DEADLINE)
        await chat.write(note(0, location, "what is here?"))
        await chat.done_writing()
        kept = {reply.message async for reply in chat}
        assert set(seen) <= kept
