"""Commands, and the client beneath them, against a server that lets in only who has a token."""

import asyncio
import socket
from contextlib import aclosing
from pathlib import Path

import grpc
import pytest

from routeguide.client import ClientTls, RouteGuideClient, RpcFailed
from routeguide.domain.models import Point, Rectangle, RouteNote
from routeguide.server.app import RunningServer
from tests.conftest import StartServer
from tests.support.certificates import Certificates
from tests.support.commands import PATIENTLY, run

TOKEN = "correct-horse-battery-staple"  # noqa: S105  # of this test alone
PLACE = "40.9146138,-74.6188906"
ALL = Rectangle(-900_000_000, -1_800_000_000, 900_000_000, 1_800_000_000)
TRAIL = "Berkshire Valley Management Area Trail"


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
async def server(start_server: StartServer, made: Certificates) -> RunningServer:
    return await start_server(**made.server_settings(), auth_tokens=TOKEN)


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return str(path)


async def test_the_client_shows_its_token_at_every_call(server: RunningServer, made: Certificates) -> None:
    place = Point(409146138, -746188906)
    tls = ClientTls(ca_file=str(made.ca_file))
    async with RouteGuideClient(server.address, tls=tls, token=TOKEN) as client:
        assert TRAIL in (await client.get_feature(place)).name
        async with aclosing(client.list_features(ALL, deadline=10)) as features:
            assert any([TRAIL in feature.name async for feature in features])
        assert (await client.record_route([place], deadline=10)).point_count == 1
        async with aclosing(client.route_chat([RouteNote(place, "x")], deadline=10)) as notes:
            assert [note async for note in notes] == []


@pytest.mark.parametrize("token", [None, "another-token-than-that"])
async def test_other_clients_are_refused(
    server: RunningServer, made: Certificates, token: str | None
) -> None:
    tls = ClientTls(ca_file=str(made.ca_file))
    async with RouteGuideClient(server.address, tls=tls, token=token) as client:
        with pytest.raises(RpcFailed) as caught:
            await client.get_feature(Point(0, 0))

    assert caught.value.code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["get-feature", PLACE], TRAIL),
        (["list-features", PLACE, PLACE], TRAIL),
        (["record-route", PLACE, PLACE], "2 points, 2 of them on a feature"),
        (["chat", "--at", "0,0"], ""),
        (["demo"], TRAIL),
    ],
)
async def test_every_command_shows_the_token_of_a_file(
    server: RunningServer, made: Certificates, token_file: str, command: list[str], words: str
) -> None:
    flags = ["--target", server.address, *made.client_flags(), "--token-file", token_file]

    finished = await run(*command, *flags)

    assert (finished.code, finished.err) == (0, "")
    assert words in finished.out


@pytest.mark.parametrize(
    "command",
    [["get-feature", PLACE], ["list-features", PLACE, PLACE], ["chat", "--at", "1,1"], ["demo"]],
    ids=lambda command: command[0],
)
async def test_who_shows_no_token_is_told_how(
    server: RunningServer, made: Certificates, command: list[str]
) -> None:
    finished = await run(*command, "--target", server.address, *made.client_flags(), stdin="hello\n")

    assert finished.code == 1
    assert finished.err.endswith(" (UNAUTHENTICATED); show a token with --token-file\n")


async def test_who_shows_another_token_is_not(
    server: RunningServer, made: Certificates, tmp_path: Path
) -> None:
    (tmp_path / "other").write_text("another-token-than-that")
    flags = ["--target", server.address, *made.client_flags(), "--token-file", str(tmp_path / "other")]

    finished = await run("get-feature", PLACE, *flags)

    assert finished.code == 1
    assert finished.err.endswith(" (UNAUTHENTICATED)\n")


async def test_a_health_check_needs_none(server: RunningServer, made: Certificates) -> None:
    finished = await run("healthcheck", *PATIENTLY, "--target", server.address, *made.client_flags())

    assert (finished.code, finished.out) == (0, "SERVING\n")


async def test_on_this_machine_plain_text_will_do(start_server: StartServer, token_file: str) -> None:
    server = await start_server(auth_tokens=TOKEN, tls_terminated=True)

    finished = await run("get-feature", PLACE, "--target", server.address, "--token-file", token_file)

    assert TRAIL in finished.out


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.2", "LOCALHOST", "dns:///localhost"])
async def test_no_proxy_is_shown_the_token(token_file: str, name: str) -> None:
    """One that is named in the environment would stand between, and read it."""
    connections = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(await reader.read(100))
        writer.close()

    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # without listening: it refuses connections, and nobody else takes it
        target = f"{name}:{nobody.getsockname()[1]}"
        async with await asyncio.start_server(accept, "127.0.0.1", 0) as proxy:
            env = {"http_proxy": f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}", "no_proxy": ""}
            flags = ["--target", target, "--token-file", token_file, "--deadline", "5"]
            finished = await run("get-feature", PLACE, *flags, env=env)

    assert finished.code == 1
    assert connections == []


@pytest.mark.parametrize("target", ["routeguide.example:1", "10.0.0.1:1", "localhost.example:1", "a..b:1"])
async def test_elsewhere_plain_text_is_refused(token_file: str, target: str) -> None:
    finished = await run("get-feature", PLACE, "--target", target, "--token-file", token_file)

    assert (finished.code, finished.out) == (2, "")
    assert finished.err.startswith(f"--token-file: without TLS anybody on the way to {target} can read")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "it cannot be read (No such file or directory)"),
        (b"", "it holds no token"),
        (b" \n", "it holds no token"),
        (f"{TOKEN}\n{TOKEN}".encode(), "it holds more than one token"),
        (b"sha256:" + b"0" * 64, "it holds a digest, which is for the server; show the token itself"),
        (b"SHA256:0\nsha256:1", "it holds a digest, which is for the server; show the token itself"),
        ("sеcret".encode(), "it has characters that no token may have"),  # its е is Cyrillic
    ],
)
async def test_files_without_a_token_are_told(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)

    finished = await run("get-feature", PLACE, "--target", "localhost:1", "--token-file", str(path))

    assert (finished.code, finished.err) == (2, f"{path}: {words}\n")


async def test_the_demo_s_own_server_wants_none(token_file: str) -> None:
    env = {"ROUTEGUIDE_AUTH_TOKENS": TOKEN}
    assert TRAIL in (await run("demo", env=env)).out

    finished = await run("demo", "--token-file", token_file)

    assert finished.code == 2
    assert "--token-file needs --target" in finished.err
