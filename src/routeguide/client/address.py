"""Where a gRPC target leads, as far as its text alone tells."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_DNS_NAME = re.compile(r"(?:dns:(?:///)?)?([^/@?#%\\\s]+)")
"""A name with its port, in the ways that gRPC has to write it. `dns://RESOLVER/NAME`, where what looks like
the host is a name server, is none of them; nor is what URLs and gRPC might read differently."""


def address_of(target: str) -> tuple[str, int] | None:
    """Host and port of a target that is no other kind of gRPC name."""
    name = _DNS_NAME.fullmatch(target)
    if name is None:
        return None
    try:
        parts = urlsplit(f"//{name[1]}")
        port = parts.port or 443
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname else None


def is_loopback(target: str) -> bool:
    """Whether what is sent to `target` stays on this machine; False wherever that is not certain.

    Both who decides whether a secret may go in plain text and who decides whether a proxy may stand between
    must ask here: where they differed, the proxy would read the secret.
    """
    host, _ = address_of(target) or (None, None)
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
