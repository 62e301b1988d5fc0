"""Targets with names, as in docker/compose.yaml, keep them as their addresses change. About 6 seconds."""

import sys
from pathlib import Path
from typing import Any

import pytest

from alb import balancer as module
from alb.balancer import balancer
from alb.envoy import configuration
from alb.parameters import Parameters
from tests.support.alb import QUICK, Alb
from tests.support.certificates import Certificates
from tests.support.name_server import NameServer, name_server
from tests.support.scripted_target import scripted_target

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the loopback is one address")

BEFORE, AFTER = "127.0.0.2", "127.0.0.3"


def asked_of(names: NameServer) -> dict[str, Any]:
    """The part of Envoy's configuration that says whom to ask for the addresses of names."""
    message = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
    resolver = {"socket_address": {"address": "127.0.0.1", "port_value": names.port}}
    chosen = {"@type": f"type.googleapis.com/{message}", "resolvers": [resolver]}
    return {"typed_dns_resolver_config": {"name": "envoy.network.dns_resolver.cares", "typed_config": chosen}}


async def test_checks_follow_a_name_to_its_new_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = Certificates(tmp_path).server
    parameters = Parameters(str(pair.certificate), str(pair.key), listen=("127.0.0.1", 0), health=QUICK)
    async with (
        name_server(BEFORE) as names,
        scripted_target(12, host=BEFORE) as before,
        scripted_target(12, host=AFTER, port=before.port) as after,
    ):
        named = configuration(parameters, [("task.test", before.port)]) | asked_of(names)
        monkeypatch.setattr(module, "configuration", lambda _: named)
        async with balancer(tmp_path, parameters) as running:
            seen = Alb(running, 0, pair.certificate)
            await seen.becomes({before.target: True})
            assert not after.checks
            names.address = AFTER
            await seen.becomes({after.target: True})

    assert after.checks
