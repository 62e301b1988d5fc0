"""Certificates are replaced under a running server: no call fails, and what cannot be served is not."""

import asyncio
import itertools
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from cryptography import x509
from structlog.testing import capture_logs
from structlog.typing import EventDict

from routeguide.pb import route_guide_pb2_grpc as pb_grpc
from routeguide.server.tls import ServerTls
from routeguide.settings import Settings
from tests.conftest import CHANNEL_OPTIONS, StartServer
from tests.support.certificates import HOUR, Certificates, chain, now, replace, serial_number
from tests.support.wire import DEADLINE, Stub, next_note, note, point

ROTATIONS = 50
NOT_RELOADED = "certificate not reloaded; the previous one stays"


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


class Callers:
    """Clients that call without pause, over old connections and over new ones."""

    def __init__(self, address: str, made: Certificates) -> None:
        self._address = address
        self._made = made
        self._over = asyncio.Event()
        self.calls = 0
        self.connections = 0

    @asynccontextmanager
    async def calling(self) -> AsyncGenerator[None, None]:
        """Calls inside the block; a call that fails fails it."""
        async with asyncio.TaskGroup() as group:
            for work in (self._with_new_connections, self._with_one_connection, self._with_one_stream):
                group.create_task(work())
            yield
            self._over.set()

    async def connected_again(self) -> None:
        """Returns when a connection that was begun from now on has been used."""
        enough = self.connections + 2
        async with asyncio.timeout(DEADLINE):
            while self.connections < enough:  # noqa: ASYNC110  # a number
                await asyncio.sleep(0.001)

    async def _with_new_connections(self) -> None:
        while not self._over.is_set():
            async with self._channel() as channel:
                await self._call(channel)
                self.connections += 1

    async def _with_one_connection(self) -> None:
        async with self._channel() as channel:
            while not self._over.is_set():
                await self._call(channel)

    async def _with_one_stream(self) -> None:
        async with self._channel() as channel:
            stub: Stub = pb_grpc.RouteGuideStub(channel)
            call = stub.RouteChat(timeout=2 * DEADLINE)
            await call.write(note(1, 1, "first"))
            for number in itertools.count(1):
                await call.write(note(1, number, "here"))
                await call.write(note(1, number, "again"))
                await next_note(call)
                if self._over.is_set():
                    break
                await asyncio.sleep(0.01)
            call.cancel()

    def _channel(self) -> grpc.aio.Channel:
        credentials = self._made.channel_credentials(self._made.client)
        return grpc.aio.secure_channel(self._address, credentials, options=CHANNEL_OPTIONS)

    async def _call(self, channel: grpc.aio.Channel) -> None:
        stub: Stub = pb_grpc.RouteGuideStub(channel)
        await stub.GetFeature(point(1, 1), timeout=DEADLINE)
        self.calls += 1


def shown(made: Certificates, port: int) -> int:
    """The serial number of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=str(made.ca_file))
    context.set_alpn_protocols(["h2"])
    context.load_cert_chain(made.client.certificate, made.client.key)
    with (
        socket.create_connection(("localhost", port), DEADLINE) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as connection,
    ):
        return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"").serial_number


async def shown_at_last(made: Certificates, port: int, serial: int) -> None:
    """Returns once new connections are shown the certificate with that number."""
    async with asyncio.timeout(DEADLINE):
        while await asyncio.to_thread(shown, made, port) != serial:  # noqa: ASYNC110  # it is looked for
            await asyncio.sleep(0.01)


async def test_fifty_rotations_under_load_fail_no_call(start_server: StartServer, made: Certificates) -> None:
    server = await start_server(**made.server_settings(mutual=True), tls_reload_interval=0.02)
    callers = Callers(server.address, made)

    async with callers.calling():
        for _ in range(ROTATIONS):
            leaf = made.leaf()
            made.server.write(leaf)
            await shown_at_last(made, server.port, serial_number(leaf))
            await callers.connected_again()

    assert callers.connections > ROTATIONS
    assert callers.calls > 2 * ROTATIONS


async def test_clients_authority_is_rotated_too(start_server: StartServer, made: Certificates) -> None:
    server = await start_server(**made.server_settings(mutual=True), tls_reload_interval=0.02)
    await asyncio.to_thread(shown, made, server.port)
    other = trustme.CA()

    replace(made.ca_file, made.ca_file.read_bytes() + other.cert_pem.bytes())
    made.client.write(other.issue_cert("client.example"))

    credentials = made.channel_credentials(made.client)
    async with asyncio.timeout(DEADLINE):
        while not await is_let_in(server.address, credentials):  # noqa: ASYNC110  # it is tried
            await asyncio.sleep(0.02)


async def is_let_in(address: str, credentials: grpc.ChannelCredentials) -> bool:
    async with grpc.aio.secure_channel(address, credentials, options=CHANNEL_OPTIONS) as channel:
        stub: Stub = pb_grpc.RouteGuideStub(channel)
        call = stub.GetFeature(point(1, 1), timeout=DEADLINE)
        code = await call.code()
        assert code in {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
        return code is grpc.StatusCode.OK


def test_moved_link_is_noticed(tmp_path: Path) -> None:
    """As Kubernetes replaces a mounted secret: a link to a folder moves to another folder."""
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        Certificates(tmp_path / version)
    current = tmp_path / "current"
    current.symlink_to("1")
    settings = Settings(tls_cert_file=f"{current}/server.pem", tls_key_file=f"{current}/server.key")
    tls = ServerTls(settings)

    following = tmp_path / "following"
    following.symlink_to("2")
    following.rename(current)
    tls.look()
    tls.look()

    assert (tls.reloads, tls.reload_failures) == (1, 0)


def test_nothing_new_is_no_reload(made: Certificates) -> None:
    tls = ServerTls(Settings(**made.server_settings()))

    replace(made.server.certificate, made.server.certificate.read_bytes())
    tls.look()
    tls.look()

    assert (tls.reloads, tls.reload_failures) == (0, 0)


Spoil = Callable[[Certificates], Any]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda made: made.server.certificate.write_bytes(b"garbage"), "holds no certificate"),
        (lambda made: made.server.key.write_bytes(b""), "holds no private key"),
        (lambda made: replace(made.server.certificate, chain(made.leaf())), "does not belong"),
        (lambda made: made.server.write(made.leaf(not_after=now() - HOUR)), "expired on"),
        (lambda made: made.server.certificate.unlink(), "No such file"),
        (lambda made: made.ca_file.write_bytes(b""), "holds no certificate"),
        (lambda made: replace(made.ca_file, chain(made.leaf())), "so no client could connect"),
    ],
)
async def test_bad_replacement_keeps_the_old_one(
    start_server: StartServer, made: Certificates, spoil: Spoil, words: str
) -> None:
    settings = made.server_settings(mutual=True)
    server = await start_server(**settings, tls_reload_interval=0.02)
    before = await asyncio.to_thread(shown, made, server.port)
    credentials = made.channel_credentials(made.client)

    with capture_logs() as logs:
        trusted = made.ca_file.read_bytes()
        spoil(made)
        async with asyncio.timeout(DEADLINE):
            while not told_of_certificates(logs):  # noqa: ASYNC110  # nothing else tells that the server has looked
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert await is_let_in(server.address, credentials)
    (told,) = told_of_certificates(logs)
    assert (told["event"], told["log_level"]) == (NOT_RELOADED, "warning")
    assert words in told["problems"][0]

    made.ca_file.write_bytes(trusted)
    assert await asyncio.to_thread(shown, made, server.port) == before
    leaf = made.leaf()
    made.server.write(leaf)
    await shown_at_last(made, server.port, serial_number(leaf))


def told_of_certificates(logs: list[EventDict]) -> list[EventDict]:
    """What was logged of the files' replacement, of whatever kind."""
    return [entry for entry in logs if entry["event"].startswith("certificate ")]


def test_pair_that_is_being_replaced_is_waited_for(made: Certificates) -> None:
    """Its certificate is new already, its key not yet: no failure unless it stays so."""
    tls = ServerTls(Settings(**made.server_settings()))
    leaf = made.leaf()

    with capture_logs() as logs:
        replace(made.server.certificate, chain(leaf))
        tls.look()
        assert (tls.reloads, tls.reload_failures, logs) == (0, 0, [])
        tls.look()
        tls.look()
        assert (tls.reloads, tls.reload_failures) == (0, 1)
        replace(made.server.key, leaf.private_key_pem.bytes())
        tls.look()
        tls.look()
        assert (tls.reloads, tls.reload_failures) == (1, 1)
    assert [entry["event"] for entry in logs] == [NOT_RELOADED, "certificate reloaded"]
    assert "PRIVATE" not in str(logs)


def test_chain_that_is_being_written_is_waited_for(made: Certificates) -> None:
    """Its first certificate alone can be served, and clients would not find the way to their root."""
    tls = ServerTls(Settings(**made.server_settings()))
    leaf = made.authority.create_child_ca().issue_cert("localhost")
    first, following = leaf.cert_chain_pems
    made.server.key.write_bytes(leaf.private_key_pem.bytes())

    with made.server.certificate.open("wb", buffering=0) as file:
        for part in (first.bytes(), following.bytes()[:200], following.bytes()[200:]):
            file.write(part)
            tls.look()
            assert (tls.reloads, tls.reload_failures) == (0, 0)
    tls.look()

    assert (tls.reloads, tls.reload_failures) == (1, 0)


def test_authorities_that_are_being_written_are_waited_for(made: Certificates) -> None:
    tls = ServerTls(Settings(**made.server_settings(mutual=True)))
    other = trustme.CA().cert_pem.bytes()

    with made.ca_file.open("ab", buffering=0) as file:
        for part in (other, other[:200], other[200:]):
            file.write(part)
            tls.look()
            assert (tls.reloads, tls.reload_failures) == (0, 0)
    tls.look()

    assert (tls.reloads, tls.reload_failures) == (1, 0)


def test_certificate_becomes_valid(made: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was put in place too early is taken when its time has come."""
    soon = (now() + HOUR).replace(microsecond=0)
    tls = ServerTls(Settings(**made.server_settings()))
    made.server.write(made.leaf(not_before=now() + HOUR / 2, not_after=soon))
    tls.look()
    tls.look()
    assert (tls.reloads, tls.reload_failures) == (0, 1)

    class Later:
        @staticmethod
        def now(zone: object) -> object:
            return soon - HOUR / 4

    monkeypatch.setattr("routeguide.server.certificates.datetime", Later)
    tls.look()

    assert (tls.reloads, tls.not_after) == (1, soon)
