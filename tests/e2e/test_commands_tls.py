"""The commands over TLS, and what they say when a handshake fails."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from routeguide.server.app import RunningServer
from tests.conftest import StartServer
from tests.support.certificates import HOUR, Certificates, Pair, now
from tests.support.commands import PATIENTLY, left_in, run

PLACE = "40.9146138,-74.6188906"
TRAIL = "Berkshire Valley Management Area Trail, Jefferson, NJ, USA"


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
async def server(start_server: StartServer, made: Certificates) -> RunningServer:
    return await start_server(**made.server_settings(mutual=True))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["get-feature", PLACE], TRAIL),
        (["list-features", "40.7838351,-74.6143763", "40.7838351,-74.6143763"], "Patriots Path"),
        (["record-route", PLACE, PLACE], "2 points, 2 of them on a feature"),
        (["chat", "--at", "0,0"], ""),
        (["healthcheck", *PATIENTLY], "SERVING"),
        (["demo"], "Berkshire Valley"),
    ],
)
async def test_every_command_speaks_mutual_tls(
    server: RunningServer, made: Certificates, command: list[str], words: str
) -> None:
    finished = await run(*command, "--target", server.address, *made.client_flags(mutual=True))

    assert (finished.code, finished.err) == (0, "")
    assert words in finished.out


async def failure(*args: str, env: dict[str, str] | None = None) -> str:
    """The one line with which get-feature and healthcheck fail alike, less their beginnings."""
    feature = await run("get-feature", PLACE, *args, env=env)
    health = await run("healthcheck", *PATIENTLY, *args, env=env)
    assert (feature.code, health.code, feature.out, health.out) == (1, 1, "", "")
    [line], [same] = feature.err.splitlines(), health.err.splitlines()
    words = line.partition(": cannot connect to ")[2].partition(": ")[2]
    assert same.partition(" is not healthy: ")[2] == words
    return words


Flags = Callable[[Certificates], list[str]]


def foreign_pair(made: Certificates) -> list[str]:
    pair = Pair(made.folder, "foreign", trustme.CA().issue_cert("client.example"))
    return [*made.client_flags(), "--cert-file", str(pair.certificate), "--key-file", str(pair.key)]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (lambda made: [], "it speaks TLS, and this connection does not; use --tls"),
        (lambda made: ["--tls"], "an authority that is not trusted here"),
        (lambda made: [*made.client_flags(), "--server-name", "a.example"], "not for a.example"),
        (lambda made: made.client_flags(), "it wants a certificate of the client"),
        (foreign_pair, "it does not accept this client's certificate"),
    ],
)
async def test_failures_are_told_in_words(
    server: RunningServer, made: Certificates, flags: Flags, words: str
) -> None:
    assert words in await failure("--target", server.address, *flags(made))


async def test_an_expired_certificate_is_told(
    start_server: StartServer, made: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.server.write(made.leaf(not_after=now() - HOUR))
    monkeypatch.setattr("routeguide.server.certificates._validity_problems", lambda *_: [])
    server = await start_server(**made.server_settings())

    assert "has expired" in await failure("--target", server.address, *made.client_flags())


@pytest.mark.parametrize("target", ["a..b:50051", f"{'a' * 64}.example:1", "dns:localhost:x"])
@pytest.mark.parametrize("flags", [[], ["--tls"]])
async def test_a_target_that_cannot_be_resolved_is_told_in_a_sentence(target: str, flags: list[str]) -> None:
    for command in (["get-feature", PLACE], ["healthcheck"]):
        finished = await run(*command, "--target", target, *flags)

        assert (finished.code, finished.out) == (1, "")
        assert "Traceback" not in finished.err
        assert target in finished.err


async def test_a_server_without_tls_is_told(start_server: StartServer, made: Certificates) -> None:
    server = await start_server()

    assert "does it serve plain text?" in await failure("--target", server.address, *made.client_flags())


async def test_the_systems_roots_are_the_default(start_server: StartServer, made: Certificates) -> None:
    """SSL_CERT_FILE is where OpenSSL is told that they are, unless gRPC's own variable says otherwise."""
    server = await start_server(**made.server_settings())
    env = {"SSL_CERT_FILE": str(made.ca_file), "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": ""}

    finished = await run("get-feature", PLACE, "--target", server.address, "--tls", env=env)

    assert finished.lines[:1] == [TRAIL]


async def test_a_server_that_has_another_name(start_server: StartServer, made: Certificates) -> None:
    made.server.write(made.authority.issue_cert("routeguide.example"))
    server = await start_server(**made.server_settings())
    flags = [*made.client_flags(), "--server-name", "routeguide.example"]

    assert (await run("get-feature", PLACE, "--target", server.address, *flags)).code == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--ca-file", "absent"], ["absent: it cannot be read"]),
        (["--ca-file", "client.key"], ["client.key: it holds no certificate in PEM"]),
        (["--cert-file", "client.pem"], ["client.pem: a certificate without a key"]),
        (["--key-file", "client.key"], ["client.key: a key without a certificate"]),
        (["--cert-file", "client.pem", "--key-file", "server.key"], ["server.key: the key does not belong"]),
        (["--cert-file", "ca.key", "--key-file", "absent"], ["ca.key: it cannot", "absent: it cannot"]),
        (["--cert-file", "client.key", "--key-file", "client.pem"], ["client.key, client.pem: they hold no"]),
        (["--ca-file", "absent", "--key-file", "client.key"], ["absent: it cannot", "client.key: a key"]),
    ],
)
async def test_files_that_cannot_be_used_are_told(
    made: Certificates, flags: list[str], words: list[str]
) -> None:
    finished = await run("get-feature", PLACE, "--target", "localhost:1", *flags, cwd=made.folder)

    assert finished.code == 2
    lines = finished.err.splitlines()
    assert len(lines) == len(words)
    assert all(line.startswith(beginning) for line, beginning in zip(lines, words, strict=True))


async def test_a_health_check_fails_with_one_whatever_is_wrong(made: Certificates) -> None:
    """Docker reserves 2, which the other commands have for files that cannot be used."""
    finished = await run(
        "healthcheck", *PATIENTLY, "--target", "localhost:1", "--ca-file", "absent", cwd=made.folder
    )

    assert (finished.code, finished.out) == (1, "")
    assert finished.err.startswith("absent: it cannot be read")


def variables(server: RunningServer, settings: dict[str, str]) -> dict[str, str]:
    fields = {**settings, "listen": server.address}
    return {f"ROUTEGUIDE_{field.upper()}": value for field, value in fields.items()}


@pytest.mark.parametrize(
    ("mutual", "name"), [(False, "localhost"), (True, "routeguide.example"), (False, "*.routeguide.example")]
)
async def test_the_settings_are_enough_for_their_own_server(
    start_server: StartServer, made: Certificates, mutual: bool, name: str
) -> None:
    made.server.write(made.authority.issue_cert(name))
    settings = made.server_settings(mutual=mutual)
    server = await start_server(**settings)

    for command in (["healthcheck"], ["get-feature", PLACE]):
        finished = await run(*command, env=variables(server, settings))
        assert (finished.code, finished.err) == (0, "")


async def test_health_does_not_hang_on_a_replacement_that_is_not_taken(
    start_server: StartServer, made: Certificates
) -> None:
    settings = made.server_settings()
    server = await start_server(**settings)
    made.server.certificate.write_bytes(b"garbage")

    finished = await run("healthcheck", *PATIENTLY, env=variables(server, settings))

    assert (finished.code, finished.out) == (0, "SERVING\n")


async def test_the_expiry_of_its_certificate_is_told_by_a_server_s_own_check(
    start_server: StartServer, made: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.server.write(made.leaf(not_after=now() - HOUR))
    monkeypatch.setattr("routeguide.server.certificates._validity_problems", lambda *_: [])
    settings = made.server_settings()
    server = await start_server(**settings)

    finished = await run("healthcheck", *PATIENTLY, env=variables(server, settings))

    assert (finished.code, finished.out) == (1, "")
    assert finished.err.endswith("has expired\n")


async def test_a_health_check_ends_in_time_whatever_it_waits_for(made: Certificates) -> None:
    """Handshakes before and after the call wait for a listener that never answers, too."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        env = {f"ROUTEGUIDE_{name.upper()}": value for name, value in made.server_settings().items()}
        began = time.monotonic()
        finished = await run("healthcheck", "--deadline", "0.3", env={**env, "ROUTEGUIDE_LISTEN": address})

    assert time.monotonic() - began < 25  # starting it included
    assert (finished.code, finished.out) == (1, "")
    assert finished.err == "the server of the settings did not answer within 0.3 seconds\n"


async def test_dev_certs_are_all_that_is_needed(start_server: StartServer, tmp_path: Path) -> None:
    finished = await run("dev-certs", str(tmp_path / "certs"), "--name", "a.example")
    assert (finished.code, finished.err) == (0, "")
    env = dict(line.split("=", 1) for line in finished.lines if line.startswith("ROUTEGUIDE_"))
    settings = {name.removeprefix("ROUTEGUIDE_").lower(): value for name, value in env.items()}
    command = finished.lines[-1].split()

    server = await start_server(**settings, tls_client_names="dev-client")
    answered = await run(*command[1:], "--target", server.address, "--server-name", "a.example")

    assert answered.lines[:1] == [TRAIL]


async def test_dev_certs_overwrite_nothing(tmp_path: Path) -> None:
    (tmp_path / "server.key").write_text("mine")

    finished = await run("dev-certs", str(tmp_path))

    assert (finished.code, finished.out) == (1, "")
    assert finished.err == f"{tmp_path}/server.key exists already; nothing was written\n"
    assert left_in(tmp_path) == [tmp_path / "server.key"]


async def test_dev_certs_keep_keys_private(tmp_path: Path) -> None:
    await run("dev-certs", str(tmp_path / "certs"))

    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "certs").iterdir()}
    assert modes["server.key"] == modes["client.key"] == 0o600
    assert "ca.key" not in modes


async def test_config_checks_the_files_too(made: Certificates) -> None:
    made.server.key.write_bytes(b"")
    made.ca_file.unlink()
    env = {f"ROUTEGUIDE_{name.upper()}": value for name, value in made.server_settings(mutual=True).items()}

    finished = await run("config", "--check", env=env)

    assert finished.code == 1
    assert [line.partition(":")[0] for line in finished.err.splitlines()] == [
        "ROUTEGUIDE_TLS_KEY_FILE",
        "ROUTEGUIDE_TLS_CLIENT_CA_FILE",
    ]
    shown = await run("config", "--format", "json", env=env)
    assert json.loads(shown.out)["tls_key_file"]["value"] == str(made.server.key)
