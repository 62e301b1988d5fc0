"""TLS and mutual TLS over the wire, and who is let in."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import grpc
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health_pb2, health_pb2_grpc

from routeguide.errors import SettingsError
from routeguide.pb import route_guide_pb2_grpc as pb_grpc
from routeguide.server.app import RunningServer
from routeguide.server.client_names import client_is_allowed
from routeguide.settings import Settings
from tests.conftest import CHANNEL_OPTIONS, StartServer
from tests.support.certificates import Certificates, Pair, self_signed
from tests.support.wire import DEADLINE, Stub, failure, point

Connect = Callable[[RunningServer, grpc.ChannelCredentials], grpc.aio.Channel]


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
async def connect() -> AsyncGenerator[Connect, None]:
    async with AsyncExitStack() as stack:

        def connect(server: RunningServer, credentials: grpc.ChannelCredentials) -> grpc.aio.Channel:
            channel = grpc.aio.secure_channel(server.address, credentials, options=CHANNEL_OPTIONS)
            stack.push_async_callback(channel.close)
            return channel

        yield connect


async def answers(channel: grpc.aio.Channel) -> bool:
    stub: Stub = pb_grpc.RouteGuideStub(channel)
    feature = await stub.GetFeature(point(409146138, -746188906), timeout=DEADLINE)
    return feature.name.startswith("Berkshire")


async def refusal(channel: grpc.aio.Channel) -> grpc.StatusCode:
    stub: Stub = pb_grpc.RouteGuideStub(channel)
    return (await failure(stub.GetFeature(point(0, 0), timeout=DEADLINE))).code()


async def test_tls(start_server: StartServer, connect: Connect, made: Certificates) -> None:
    server = await start_server(**made.server_settings())

    assert await answers(connect(server, made.channel_credentials()))
    stranger = grpc.ssl_channel_credentials(trustme.CA().cert_pem.bytes())
    assert await refusal(connect(server, stranger)) is grpc.StatusCode.UNAVAILABLE


async def test_mutual_tls(start_server: StartServer, connect: Connect, made: Certificates) -> None:
    server = await start_server(**made.server_settings(mutual=True))
    foreign = Pair(made.folder, "foreign", trustme.CA().issue_cert("client.example"))

    assert await answers(connect(server, made.channel_credentials(made.client)))
    for credentials in (made.channel_credentials(), made.channel_credentials(foreign)):
        assert await refusal(connect(server, credentials)) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("names", "allowed"),
    [("client.example", True), ("other, Client.Example", True), ("client", True), ("other,example", False)],
)
async def test_only_named_clients_may_call(
    start_server: StartServer, connect: Connect, made: Certificates, names: str, allowed: bool
) -> None:
    server = await start_server(**made.server_settings(mutual=True), tls_client_names=names)
    channel = connect(server, made.channel_credentials(made.client))

    if allowed:
        assert await answers(channel)
    else:
        assert await refusal(channel) is grpc.StatusCode.PERMISSION_DENIED
    check = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE)
    assert (await check).status == health_pb2.HealthCheckResponse.SERVING


async def test_clients_are_known_by_uri_as_well(
    start_server: StartServer, connect: Connect, made: Certificates
) -> None:
    uri = "spiffe://example.org/Caller"
    certificate, key = self_signed(
        ec.generate_private_key(ec.SECP256R1()), names=(x509.UniformResourceIdentifier(uri),)
    )
    made.client.certificate.write_bytes(certificate)
    made.client.key.write_bytes(key)
    trusted = made.folder / "clients.pem"
    trusted.write_bytes(certificate)
    settings = made.server_settings() | {"tls_client_ca_file": str(trusted), "tls_client_names": uri}

    server = await start_server(**settings)

    assert await answers(connect(server, made.channel_credentials(made.client)))


def test_names_are_compared_as_a_whole() -> None:
    context = {"x509_subject_alternative_name": [b"a.example"], "x509_common_name": [b""]}

    assert client_is_allowed(context, frozenset({"a.example"}))
    assert not client_is_allowed(context, frozenset({"example", "*.example", "a.example.org"}))
    assert not client_is_allowed({}, frozenset({"a.example"}))
    assert client_is_allowed({}, frozenset())


@pytest.mark.parametrize(
    ("key", "shown", "permitted", "allowed"),
    [
        ("peer_dns", "A.Example", "a.example", True),
        ("peer_dns", "a.example", "A.Example", True),
        ("x509_subject_alternative_name", "spiffe://a.example/Caller", "spiffe://a.example/Caller", True),
        ("x509_subject_alternative_name", "spiffe://a.example/caller", "spiffe://a.example/Caller", False),
        ("x509_subject_alternative_name", "spiffe://a.example/Caller", "spiffe://a.example/caller", False),
        ("x509_common_name", "Client", "Client", True),
        ("x509_common_name", "client", "Client", False),
        ("x509_common_name", "Client", "client", False),
    ],
)
def test_only_dns_names_are_the_same_in_any_case(key: str, shown: str, permitted: str, allowed: bool) -> None:
    names = Settings(tls_client_names=permitted, tls_client_ca_file="a", tls_cert_file="c", tls_key_file="k")

    assert client_is_allowed({key: [shown.encode()]}, names.permitted_clients) is allowed


async def test_bad_certificates_stop_the_start(start_server: StartServer, made: Certificates) -> None:
    made.server.certificate.write_bytes(b"")
    made.ca_file.write_bytes(b"")

    with pytest.raises(SettingsError) as raised:
        await start_server(**made.server_settings(mutual=True))

    assert [problem.partition(":")[0] for problem in raised.value.problems] == [
        "ROUTEGUIDE_TLS_CERT_FILE",
        "ROUTEGUIDE_TLS_CLIENT_CA_FILE",
    ]


@pytest.mark.parametrize(("version", "accepted"), [("1.0", False), ("1.1", False), ("1.2", True)])
async def test_old_versions_are_refused(
    start_server: StartServer, made: Certificates, version: str, accepted: bool
) -> None:
    """With a hello written by hand: this machine's OpenSSL may refuse to offer what is old."""
    server = await start_server(**made.server_settings())

    answer = await asyncio.to_thread(answer_to_hello, server.port, int(version[-1]))

    handshake = b"\x16"
    assert answer.startswith(handshake) is accepted


def answer_to_hello(port: int, minor: int) -> bytes:
    """How a server answers a ClientHello that offers TLS 1.`minor` at the most; nothing where it hangs up."""
    suites = bytes.fromhex("c02bc009c00a")  # ECDHE-ECDSA, the first only with 1.2
    groups = bytes.fromhex("000a00040002") + b"\x00\x17"
    algorithms = bytes.fromhex("000d00040002") + b"\x04\x03"
    extensions = groups + algorithms
    body = (
        bytes([3, minor + 1, *bytes(32), 0])
        + struct.pack("!H", len(suites))
        + suites
        + b"\x01\x00"
        + struct.pack("!H", len(extensions))
        + extensions
    )
    hello = b"\x01" + len(body).to_bytes(3, "big") + body
    with socket.create_connection(("localhost", port), DEADLINE) as connection:
        connection.sendall(b"\x16\x03\x01" + struct.pack("!H", len(hello)) + hello)
        with suppress(ConnectionResetError):
            return connection.recv(64)
    return b""


async def test_newest_version_is_agreed_on(start_server: StartServer, made: Certificates) -> None:
    server = await start_server(**made.server_settings())

    assert await asyncio.to_thread(version_agreed_on, made, server.port) == "TLSv1.3"


def version_agreed_on(made: Certificates, port: int) -> str | None:
    context = ssl.create_default_context(cafile=str(made.ca_file))
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("localhost", port), DEADLINE) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as connection,
    ):
        return connection.version()
