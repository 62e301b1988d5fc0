"""`routeguide chat`, typed by a person at a terminal and fed by a program."""

import asyncio
import json
import signal
from contextlib import AsyncExitStack, aclosing

import pytest

from routeguide.client import RouteGuideClient
from routeguide.domain.models import Point, RouteNote
from routeguide.server.app import serving
from routeguide.settings import Settings
from tests.conftest import StartServer
from tests.support.commands import DEADLINE, run, started
from tests.support.terminal import CTRL_C, terminal

HERE, THERE = Point(10_000_000, -20_000_000), Point(0, 0)
CTRL_D = "\x04"


async def leave(address: str, *notes: RouteNote) -> list[str]:
    """Leaves notes as somebody else, and returns what was there before."""
    async with (
        asyncio.timeout(DEADLINE),
        RouteGuideClient(address) as client,
        aclosing(client.route_chat(notes, deadline=DEADLINE)) as replies,
    ):
        return [reply.message async for reply in replies]


@pytest.fixture
async def address(start_server: StartServer) -> str:
    return (await start_server(max_note_bytes=40)).address


async def test_a_person_meets_others_along_the_route(address: str) -> None:
    await leave(address, RouteNote(HERE, "I was here"), RouteNote(THERE, "\x1b[31mbeware"))

    async with terminal("chat", "--at", "1.0,-2.0", "--target", address) as screen:
        await screen.expect("/help shows this")
        await screen.expect("1.0000000,-2.0000000>")
        screen.type("hello\r")
        await screen.expect("1.0000000,-2.0000000  I was here")
        assert await leave(address, RouteNote(HERE, "me too")) == ["I was here", "hello"]

        screen.type("/at nowhere\r")
        await screen.expect("Still at 1.0000000,-2.0000000: 'nowhere' is not LAT,LON")
        screen.type("/dance\r")
        await screen.expect("There is no command /dance")
        screen.type("/at 0,0\r")
        await screen.expect("0.0000000,0.0000000>")
        screen.type("anyone?\r")
        await screen.expect(r"0.0000000,0.0000000  \x1b[31mbeware")

        screen.type("/quit\r")
        assert await screen.exit_code() == 0
    assert await leave(address, RouteNote(THERE, "late")) == ["\x1b[31mbeware", "anyone?"]


@pytest.mark.parametrize(("key", "code"), [(CTRL_D, 0), (CTRL_C, 130)])
async def test_keys_that_end_it(address: str, key: str, code: int) -> None:
    async with terminal("chat", "--at", "0,0", "--target", address) as screen:
        await screen.expect(">")
        screen.type(key)

        assert await screen.exit_code() == code
    assert "Traceback" not in screen.shown
    assert "Aborted" not in screen.shown


async def test_a_note_that_is_refused_ends_it(address: str) -> None:
    async with terminal("chat", "--at", "0,0", "--target", address) as screen:
        await screen.expect(">")
        screen.type("x" * 41 + "\r")

        await screen.expect("Error: notes[0].message: 41 bytes of UTF-8 exceed the limit of 40")
        assert await screen.exit_code() == 1


async def test_a_server_that_goes_away_is_told_without_another_key() -> None:
    async with AsyncExitStack() as stack:
        settings = Settings(listen="localhost:0", storage_url="memory://", stop_grace=0)
        server = await stack.enter_async_context(serving(settings))
        await leave(server.address, RouteNote(THERE, "I was here"))

        async with terminal("chat", "--at", "0,0", "--target", server.address) as screen:
            await screen.expect(">")
            screen.type("hello\r")
            await screen.expect("I was here")
            await stack.aclose()

            await screen.expect("The connection was lost: ")
            assert await screen.interrupt() == 130
    assert "Traceback" not in screen.shown


async def test_with_a_deadline_there_is_one_call() -> None:
    async with AsyncExitStack() as stack:
        settings = Settings(listen="localhost:0", storage_url="memory://", stop_grace=0)
        server = await stack.enter_async_context(serving(settings))
        await leave(server.address, RouteNote(THERE, "I was here"))

        async with terminal("chat", "--at", "0,0", "--target", server.address, "--deadline", "60") as screen:
            await screen.expect(">")
            screen.type("hello\r")
            await screen.expect("I was here")
            await stack.aclose()

            await screen.expect("Error: ")
            assert await screen.exit_code() == 1
    assert "The connection was lost" not in screen.shown


async def test_an_interrupted_program_does_not_wait_for_another_line(address: str) -> None:
    await leave(address, RouteNote(THERE, "I was here"))

    async with started("chat", "--at", "0,0", "--target", address) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"hello\n")
        assert await process.stdout.readline() == b"0.0000000,0.0000000  I was here\n"
        process.send_signal(signal.SIGINT)

        assert await process.wait() == 130
        assert await process.stderr.read() == b""


async def test_a_program_writes_and_reads_lines(address: str) -> None:
    stdin = "one\n\n/at 1.0,-2.0\ntwo\n/at 0,0\nthree"

    finished = await run("chat", "--at", "0,0", "--target", address, "--format", "json", stdin=stdin)

    assert (finished.code, finished.err) == (0, "")
    assert [json.loads(line) for line in finished.lines] == [
        {"location": {"latitude": 0, "longitude": 0}, "message": "one"}
    ]
    assert await leave(address, RouteNote(HERE, "?"), RouteNote(THERE, "?")) == ["two", "one", "three"]


async def test_a_pipe_gets_neither_prompt_nor_colour(address: str) -> None:
    await leave(address, RouteNote(HERE, "I was here"))

    finished = await run("chat", "--at", "1.0,-2.0", "--target", address, stdin="hello\n")

    assert (finished.code, finished.err) == (0, "")
    assert finished.out == "1.0000000,-2.0000000  I was here\n"


async def test_nobody_listens() -> None:
    finished = await run("chat", "--at", "0,0", "--target", "localhost:1", stdin="hello\n")

    assert (finished.code, finished.out) == (1, "")
    assert finished.err.startswith("Error: cannot connect to localhost:1")


async def test_a_person_hears_others_while_typing(start_server: StartServer) -> None:
    server = await start_server(live_chat=True)
    await leave(server.address, RouteNote(HERE, "I was here"))

    async with terminal("chat", "--live", "--at", "1.0,-2.0", "--target", server.address) as screen:
        await screen.expect("1.0000000,-2.0000000>")
        screen.type("hello\r")
        await screen.expect("1.0000000,-2.0000000  I was here")
        screen.type("not finished")
        assert await leave(server.address, RouteNote(HERE, "me too")) == ["I was here", "hello"]
        await screen.expect("1.0000000,-2.0000000  me too")
        screen.type("\r/quit\r")
        assert await screen.exit_code() == 0
    assert (await leave(server.address, RouteNote(HERE, "late")))[-1] == "not finished"


async def test_live_chat_that_the_server_does_not_have(address: str) -> None:
    finished = await run("chat", "--live", "--at", "0,0", "--target", address, stdin="hello\n")

    assert (finished.code, finished.out) == (1, "")
    assert finished.err.startswith("Error: live chat is off on this server")
    assert "chat without --live" in finished.err
