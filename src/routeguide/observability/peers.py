"""The other end of a connection, as the conventions of OpenTelemetry name it."""

from urllib.parse import unquote


def peer_attributes(peer: str) -> dict[str, str | int]:
    """`network.peer.address` and, where it has one, `network.peer.port`; nothing where `peer` is unknown.

    Args:
        peer: as grpc writes it: ipv4:192.0.2.1:50051, ipv6:%5B2001:db8::1%5D:50051, unix:/path.
    """
    kind, _, rest = unquote(peer).partition(":")
    if not rest:
        return {}
    host, _, port = rest.rpartition(":")
    if kind not in {"ipv4", "ipv6"} or not host or not port.isdecimal():
        return {"network.peer.address": rest}
    return {"network.peer.address": host.strip("[]"), "network.peer.port": int(port)}
