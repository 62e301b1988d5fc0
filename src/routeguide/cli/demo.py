"""`routeguide demo`"""

import asyncio
from collections.abc import Mapping
from typing import Any

import click

from routeguide.cli.settings_options import load_settings, settings_options
from routeguide.cli.target import Server, other_server_options
from routeguide.cli.walk import walk
from routeguide.client import RouteGuideClient
from routeguide.observability import configure_logging
from routeguide.server.app import serving
from routeguide.settings import Settings

_OWN_SERVER = {
    "listen": "localhost:0",
    "storage_url": "memory://",
    "seed_features": "sample",
    "drain_delay": 0,
    "log_level": "error",
    "tls_cert_file": "",
    "tls_key_file": "",
    "tls_client_ca_file": "",
    "tls_client_names": "",
    "auth_tokens": "",
    "auth_tokens_file": "",
    "rate_limit": 0,
    "metrics_listen": "",
}
"""On a free port in plain text, with the sample features, leaving nothing behind, logging failures only."""


@click.command()
@other_server_options
@click.option("--random", is_flag=True, help="Travel to ten random features instead of the usual ones.")
@settings_options("log_level", "log_format")
def demo(server: Server | None, random: bool, flags: Mapping[str, Any]) -> None:
    """Walk through the four RPCs as the clients of gRPC's own route guide do, and print what happens.

    On a server where others have left notes at the same places, RouteChat receives those as well.
    """
    if server is not None:
        asyncio.run(_walk(server, at_random=random))
    else:
        settings = load_settings({**_OWN_SERVER, **flags})
        configure_logging(settings.log_level, settings.log_format)
        asyncio.run(_walk_alone(settings, at_random=random))


async def _walk_alone(settings: Settings, *, at_random: bool) -> None:
    async with serving(settings) as running:
        await _walk(Server(running.address, tls=None), at_random=at_random)


async def _walk(server: Server, *, at_random: bool) -> None:
    async with RouteGuideClient(server.target, tls=server.tls, token=server.token) as client:
        await walk(client, at_random=at_random)
