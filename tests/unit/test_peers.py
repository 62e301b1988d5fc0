"""The other end of a connection in spans."""

import pytest

from routeguide.observability.peers import peer_attributes


@pytest.mark.parametrize(
    ("peer", "attributes"),
    [
        ("ipv4:192.0.2.1:50051", {"network.peer.address": "192.0.2.1", "network.peer.port": 50051}),
        ("ipv6:%5B2001:db8::1%5D:443", {"network.peer.address": "2001:db8::1", "network.peer.port": 443}),
        ("ipv6:[::1]:443", {"network.peer.address": "::1", "network.peer.port": 443}),
        ("unix:/run/routeguide.sock", {"network.peer.address": "/run/routeguide.sock"}),
        ("unix:", {}),
        ("unknown", {}),
        ("", {}),
    ],
)
def test_peers(peer: str, attributes: dict[str, str | int]) -> None:
    assert peer_attributes(peer) == attributes
