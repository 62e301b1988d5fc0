"""`routeguide demo` prints the post's transcript, and `routeguide serve` is a server to print it against."""

import json
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.conftest import StartServer
from tests.support.commands import left_in, run, started

TRANSCRIPT = (Path(__file__).parent / "data" / "transcript.txt").read_text()


def comparable(text: str) -> tuple[list[str], list[str], list[str]]:
    """All before RouteChat, what was sent there, and what was received: these two may mingle.

    Blank lines, trailing spaces and how long it took do not count.
    """
    before, _, chat = text.partition("-------------- RouteChat --------------")
    lines = [line.rstrip() for line in before.splitlines() if line.strip()]
    lines = ["It took" if line.startswith("It took ") else line for line in lines]
    sent: list[str] = []
    received: list[str] = []
    into = sent
    for line in (line.rstrip() for line in chat.splitlines() if line.strip()):
        if line.startswith("Sending"):
            into = sent
        elif line.startswith("Received"):
            into = received
        into.append(line)
    return lines, sent, received


@asynccontextmanager
async def served(*args: str, cwd: Path) -> AsyncGenerator[str, None]:
    """The address of a `routeguide serve` process, which must end well when it is told to."""
    async with started("serve", "--listen", "localhost:0", "--log-format", "json", *args, cwd=cwd) as process:
        assert process.stderr is not None
        events = (json.loads(line) async for line in process.stderr)
        yield await anext(event["address"] async for event in events if event["event"] == "serving")
        process.send_signal(signal.SIGTERM)
        await process.stderr.read()
        assert await process.wait() == 0


def test_the_comparison_would_notice() -> None:
    """Each line of the transcript counts, and so does the order."""
    lines = TRANSCRIPT.splitlines()
    for changed in (lines[:-1], [*lines[:-2], lines[-1], lines[-2]], [*lines[1:], lines[0]]):
        assert comparable("\n".join(changed)) != comparable(TRANSCRIPT)


async def test_the_transcript_against_its_own_server(tmp_path: Path) -> None:
    finished = await run("demo", cwd=tmp_path)

    assert (finished.code, finished.err) == (0, "")
    assert comparable(finished.out) == comparable(TRANSCRIPT)
    assert left_in(tmp_path) == []


async def test_the_environment_does_not_change_its_own_server(tmp_path: Path) -> None:
    """Not the database of this machine is walked over, and nobody's port is taken."""
    env = {
        "ROUTEGUIDE_LISTEN": "localhost:1",
        "ROUTEGUIDE_STORAGE_URL": f"sqlite:///{tmp_path}/precious.db",
        "ROUTEGUIDE_SEED_FEATURES": "none",
        "ROUTEGUIDE_DRAIN_DELAY": "3600",
    }

    finished = await run("demo", cwd=tmp_path, env=env)

    assert (finished.code, finished.err) == (0, "")
    assert comparable(finished.out) == comparable(TRANSCRIPT)
    assert left_in(tmp_path) == []


async def test_the_transcript_against_another_process(tmp_path: Path) -> None:
    async with served("--storage-url", "sqlite:///routeguide.db", cwd=tmp_path) as address:
        first = await run("demo", "--target", address)
        second = await run("demo", "--target", address)

    assert comparable(first.out) == comparable(TRANSCRIPT)
    *others, received = comparable(second.out)
    assert others == list(comparable(TRANSCRIPT)[:2])
    assert [line for line in received if line.startswith("Received")] == [
        # the notes of the first walk are there, and so are those of this one
        "Received message First message at",
        "Received message Fourth message at",
        "Received message Second message at longitude: 1",
        "Received message Third message at latitude: 1",
        "Received message Fifth message at latitude: 1",
        "Received message First message at",
        "Received message Fourth message at",
        "Received message First message at",
        "Received message Third message at latitude: 1",
        "Received message Fifth message at latitude: 1",
        "Received message Third message at latitude: 1",
    ]


async def test_a_random_route_visits_ten_features(start_server: StartServer) -> None:
    server = await start_server()

    walks = [await run("demo", "--random", "--target", server.address) for _ in range(2)]

    routes = [walk.out.partition("RecordRoute")[2].partition("RouteChat")[0] for walk in walks]
    for route in routes:
        assert "Finished trip with 10 points\nPassed 10 features\n" in route
        assert route.count("Visiting point latitude: 4") == 10
    assert routes[0] != routes[1]
    assert "863981" not in routes[0] + routes[1]


async def test_a_random_route_where_there_are_no_features(start_server: StartServer) -> None:
    server = await start_server(seed_features="none")

    finished = await run("demo", "--random", "--target", server.address)

    assert finished.code == 0
    assert "Finished trip with 0 points" in finished.lines
