"""Clients of other makers, which know the schema from reflection alone: buf curl, and the real grpcurl."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Finished, ended
from tests.support.server_process import ServerProcess, server_process
from tests.support.wire import DEADLINE

BERKSHIRE = {"latitude": 409146138, "longitude": -746188906}
NAME = "Berkshire Valley Management Area Trail, Jefferson, NJ, USA"
EVERYTHING = {
    "lo": {"latitude": 400000000, "longitude": -750000000},
    "hi": {"latitude": 420000000, "longitude": -730000000},
}
NOTES = [{"location": {"latitude": 1}, "message": message} for message in ("a", "b")]


@pytest.fixture
async def server() -> AsyncGenerator[ServerProcess, None]:
    async with server_process(storage_url="memory://") as running:
        yield running


async def execute(*command: str) -> Finished:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE):
            out, err = await process.communicate()
    finally:
        await ended(process)
    return Finished(process.returncode or 0, out.decode(), err.decode())


class BufCurl:
    """`buf curl`, from the development dependencies: it is always here."""

    name = "buf curl"

    def __init__(self, server: ServerProcess) -> None:
        self._command = [str(Path(sys.executable).with_name("buf")), "curl", "--http2-prior-knowledge"]
        self._url = f"http://{server.address}"

    async def call(self, method: str, *requests: Any) -> Finished:
        data = "\n".join(map(json.dumps, requests))
        return await execute(
            *self._command, "--protocol=grpc", "--data", data, f"{self._url}/routeguide.RouteGuide/{method}"
        )

    async def list_services(self) -> Finished:
        return await execute(*self._command, "--protocol=grpc", "--list-services", self._url)

    async def describe(self) -> Finished:
        return await execute(*self._command, "--protocol=grpc", "--list-methods", self._url)


class Grpcurl:
    """The real grpcurl, from $GRPCURL, the path, or Go's folder of programs."""

    name = "grpcurl"

    def __init__(self, server: ServerProcess) -> None:
        program = grpcurl()
        if program is None:
            pytest.skip(
                "grpcurl is not installed: go install github.com/fullstorydev/grpcurl/cmd/grpcurl@latest"
            )
        self._command = [program, "-plaintext"]
        self._address = server.address

    async def call(self, method: str, *requests: Any) -> Finished:
        data = "\n".join(map(json.dumps, requests))
        return await execute(*self._command, "-d", data, self._address, f"routeguide.RouteGuide/{method}")

    async def list_services(self) -> Finished:
        return await execute(*self._command, self._address, "list")

    async def describe(self) -> Finished:
        return await execute(*self._command, self._address, "describe", "routeguide.RouteGuide")


def grpcurl() -> str | None:
    go = Path.home() / "go" / "bin"
    return os.environ.get("GRPCURL") or shutil.which("grpcurl") or shutil.which("grpcurl", path=str(go))


Client = BufCurl | Grpcurl


@pytest.fixture(params=[BufCurl, Grpcurl], ids=lambda kind: kind.name)
def client(request: pytest.FixtureRequest, server: ServerProcess) -> Client:
    made: Client = request.param(server)
    return made


def documents(finished: Finished) -> list[Any]:
    """The JSON documents that a client printed one after another."""
    assert finished.code == 0, finished.err
    decoder, text, found = json.JSONDecoder(), finished.out.strip(), []
    while text:
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:].lstrip()
    return found


async def test_services_and_methods_are_listed(client: Client) -> None:
    services = await client.list_services()
    assert {"routeguide.RouteGuide", "grpc.health.v1.Health"} <= set(services.out.split())
    described = await client.describe()
    assert all(
        method in described.out for method in ("GetFeature", "ListFeatures", "RecordRoute", "RouteChat")
    )


async def test_get_feature(client: Client) -> None:
    assert documents(await client.call("GetFeature", BERKSHIRE)) == [{"name": NAME, "location": BERKSHIRE}]


async def test_list_features(client: Client) -> None:
    assert len(documents(await client.call("ListFeatures", EVERYTHING))) == 100


async def test_record_route(client: Client) -> None:
    (summary,) = documents(await client.call("RecordRoute", BERKSHIRE, {"latitude": 409146138}))
    plain = {name.replace("_", "").lower(): value for name, value in summary.items()}  # the spellings differ
    assert (plain["pointcount"], plain["featurecount"]) == (2, 1)


async def test_route_chat(client: Client) -> None:
    assert documents(await client.call("RouteChat", *NOTES)) == NOTES[:1]


async def test_refusal_is_readable(client: Client) -> None:
    refused = await client.call("GetFeature", {"latitude": 900000001})
    assert refused.code != 0
    assert "900000001 is outside" in refused.err
