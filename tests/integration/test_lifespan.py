"""Starting, stopping and refusing to start, with real processes and real signals."""

import asyncio
import json
import signal
import socket
import sqlite3
import sys
from pathlib import Path

import grpc
import pytest

from routeguide.errors import SettingsError
from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from routeguide.server.app import serving
from routeguide.server.memory_limit import memory_limit_mb
from routeguide.settings import Settings
from tests.conftest import CHANNEL_OPTIONS, StartServer
from tests.support.commands import ended, run
from tests.support.conversation import conversation
from tests.support.server_process import server_process, start
from tests.support.wire import DEADLINE, Stub, drained, failure, next_note, note, point


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_lets_calls_in_flight_finish(number: signal.Signals) -> None:
    async with server_process(storage_url="memory://") as server:
        async with (
            grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel,
            conversation(RouteGuideStub(channel)),
        ):
            server.send(number)
            await server.logged("draining")
        assert await server.exit_code() == 0
        assert [entry["event"] for entry in server.log][-3:] == ["draining", "stopped", "storage closed"]


async def test_listener_closes_while_calls_finish() -> None:
    async with server_process(storage_url="memory://") as server:
        async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
            stub: Stub = RouteGuideStub(channel)
            async with conversation(stub):
                server.send(signal.SIGTERM)
                await refuses_connections(server.port)
                await refuses_calls(stub)
        assert await server.exit_code() == 0


async def refuses_calls(stub: Stub) -> None:
    """Returns once a call finds no server. What is under way with the GOAWAY, grpc's core cancels."""
    cancelled, refused = grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE
    async with asyncio.timeout(DEADLINE):
        while (error := await failure(stub.GetFeature(point(1, 1), timeout=DEADLINE))).code() is cancelled:
            pass
    assert error.code() is refused


async def refuses_connections(port: int) -> None:
    """Returns once nobody listens on `port`."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                continue  # the listener closed while this connection was in its queue


async def test_call_that_outlives_the_grace_is_told_and_the_exit_is_clean() -> None:
    async with server_process(storage_url="memory://", stop_grace="0.5") as server:
        async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
            stub: Stub = RouteGuideStub(channel)
            chat = stub.RouteChat(timeout=DEADLINE)
            await chat.write(note(1, 1, "a"))
            await chat.write(note(1, 1, "b"))
            await next_note(chat)
            code = asyncio.create_task(server.stop())
            error = await failure(chat.read())
            assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert await code == 0


async def test_collector_need_not_look_through_what_start_up_made() -> None:
    """A full collection over a million features would hold everybody up for most of a second."""
    program = """
import os, signal
from routeguide.server import app, runtime
from routeguide.settings import Settings

def kept():
    print("kept", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

runtime.keep_for_good = kept
settings = Settings(listen="localhost:0", storage_url="memory://")
runtime.run(lambda: app.serve(settings), settings=settings)
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(DEADLINE):
            out, _ = await process.communicate()
    finally:
        await ended(process)
    assert process.returncode == 0
    lines = out.decode().splitlines()
    seeded = next(index for index, line in enumerate(lines) if "storage open" in line)
    assert seeded < lines.index("kept")


async def test_second_signal_ends_it_at_once() -> None:
    async with server_process(storage_url="memory://", drain_delay="60") as server:
        server.send(signal.SIGTERM)
        await server.logged("draining")
        assert await server.stop() == -signal.SIGTERM


async def test_taken_port_is_told(start_server: StartServer) -> None:
    taken = await start_server()

    with pytest.raises(SettingsError, match=r"ROUTEGUIDE_LISTEN.*another process is listening"):
        await start_server(listen=taken.address)


async def test_failed_start_does_not_drain(start_server: StartServer) -> None:
    taken = await start_server()

    async with asyncio.timeout(DEADLINE):
        with pytest.raises(SettingsError):
            await start_server(listen=taken.address, drain_delay=60)


async def test_signal_while_it_starts(tmp_path: Path) -> None:
    features = tmp_path / "many.csv"
    rows = (f"{index},{index}," for index in range(300_000))
    features.write_text("\n".join(["latitude_e7,longitude_e7,name", *rows]))
    process = await start(storage_url=f"sqlite:///{tmp_path}/routeguide.db", seed_features=str(features))
    try:
        async with asyncio.timeout(DEADLINE):
            assert process.stderr is not None
            assert json.loads(await process.stderr.readline())["event"] == "seeding"
            process.send_signal(signal.SIGTERM)
            _, logged = await process.communicate()
    finally:
        await ended(process)
    assert process.returncode == 0
    assert [json.loads(line)["event"] for line in logged.splitlines()] == ["stopped before it was ready"]


async def test_half_taken_port_is_told(start_server: StartServer) -> None:
    """grpc would be content with [::1] and leave 127.0.0.1 to the other."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match="another process is listening"):
            await start_server(listen=f"localhost:{port}")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("192.0.2.1:0", "no address of this machine"),
        ("no.such.invalid:0", "cannot be resolved"),
        ("a..b:0", "cannot be resolved"),
    ],
)
async def test_address_of_somebody_else_is_told(start_server: StartServer, address: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        await start_server(listen=address)


@pytest.mark.parametrize(
    ("variables", "code", "said"),
    [
        ({"SEED_FEATURES": "missing.json"}, 1, ["missing.json"]),
        ({"STORAGE_URL": "sqlite:////proc/routeguide.db"}, 1, ["/proc"]),
        (
            {"SEED_FEATURES": "sampel"},
            2,
            ["ROUTEGUIDE_SEED_FEATURES", "sample, none or a file that ends in .json, .geojson, .csv"],
        ),
        (
            {"STORAGE_URL": "mysql://x", "STOP_GRACE": "-1", "LISTENN": "x", "LISTEN": "nowhere"},
            2,
            [
                "ROUTEGUIDE_STORAGE_URL",
                "ROUTEGUIDE_STOP_GRACE",
                "did you mean ROUTEGUIDE_LISTEN?",
                "HOST:PORT",
            ],
        ),
    ],
)
async def test_server_that_cannot_start_says_why(
    tmp_path: Path, variables: dict[str, str], code: int, said: list[str]
) -> None:
    environment = {"ROUTEGUIDE_STORAGE_URL": "memory://", "ROUTEGUIDE_LISTEN": "localhost:0"}
    environment |= {f"ROUTEGUIDE_{name}": value for name, value in variables.items()}

    finished = await run("serve", cwd=tmp_path, env=environment)

    assert finished.code == code
    assert all(part in finished.err for part in said), finished.err
    assert "Traceback" not in finished.err


async def test_empty_folder_becomes_a_store_with_the_sample(tmp_path: Path) -> None:
    database = tmp_path / "new" / "routeguide.db"
    async with server_process(storage_url=f"sqlite:///{database}") as server:
        opened = next(entry for entry in server.log if entry["event"] == "storage open")
        assert (opened["features"], opened["seeded"]) == (100, 100)
        seeding = next(entry for entry in server.log if entry["event"] == "seeding")
        assert seeding["source"] == "sample"
        assert server.log.index(seeding) < server.log.index(opened)
        assert opened["sqlite"] == sqlite3.sqlite_version
        serving = next(entry for entry in server.log if entry["event"] == "serving")
        assert serving["memory_limit_mb"] == memory_limit_mb()
        async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
            stub: Stub = RouteGuideStub(channel)
            await drained(stub.RouteChat(iter([note(1, 1, "kept")]), timeout=DEADLINE))
        assert await server.stop() == 0
    async with server_process(storage_url=f"sqlite:///{database}") as server:
        opened = next(entry for entry in server.log if entry["event"] == "storage open")
        assert (opened["features"], opened["seeded"]) == (100, 0)
        assert "seeding" not in [entry["event"] for entry in server.log]
        async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
            stub = RouteGuideStub(channel)
            replies = await drained(stub.RouteChat(iter([note(1, 1, "new")]), timeout=DEADLINE))
        assert [reply.message for reply in replies] == ["kept"]


async def test_signal_while_the_listener_opens_undoes_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(grpc.aio.server())
    opens = kind.start

    async def interrupted(server: grpc.aio.Server) -> None:
        asyncio.get_running_loop().call_soon(starting.cancel)  # as the first signal does
        await opens(server)

    monkeypatch.setattr(kind, "start", interrupted)

    async def start_and_stop() -> None:
        async with serving(Settings(listen="localhost:0", storage_url="memory://", stop_grace=0)):
            raise AssertionError("it went on")

    starting = asyncio.create_task(start_and_stop())
    async with asyncio.timeout(DEADLINE):
        await asyncio.wait([starting])
    assert starting.cancelled()
