"""Taking the port, or saying clearly that it is taken."""

import errno
import socket
from urllib.parse import urlsplit

import grpc

from routeguide.errors import SettingsError
from routeguide.settings import variable

_OBSTACLES: dict[int | None, str] = {
    errno.EADDRINUSE: "another process is listening there",
    errno.EACCES: "this user may not open that port; those below 1024 are for root",
}


def listen(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    """Makes `server` listen on `address` and returns the port, which matters where it was 0.

    Without credentials it speaks plain text there.

    Raises:
        SettingsError: the address is taken, or none of this machine's.
    """
    _refuse_unavailable(address)
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise _cannot_listen(address, "it is no address of this machine") from error


def _refuse_unavailable(address: str) -> None:
    """Fails where any interface that `address` names cannot be had.

    grpc is content with one: where somebody else listens on 127.0.0.1 it would serve [::1] alone, and half
    the clients of localhost would talk to the wrong server.
    """
    parts = urlsplit(f"//{address}")
    try:
        candidates = socket.getaddrinfo(
            parts.hostname, parts.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as error:
        raise _cannot_listen(address, "the host name cannot be resolved") from error
    for family, kind, protocol, _, endpoint in candidates:
        obstacle = _OBSTACLES.get(_bind_error(family, kind, protocol, endpoint))
        if obstacle is not None:
            raise _cannot_listen(address, obstacle)


def _bind_error(family: int, kind: int, protocol: int, endpoint: tuple[object, ...]) -> int | None:
    """The errno of binding to `endpoint`; None where that works, or the machine has no such addresses."""
    try:
        probe = socket.socket(family, kind, protocol)
    except OSError:
        return None
    with probe:
        # As grpc does: an address in TIME_WAIT is free, one with a listener is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(endpoint)
        except OSError as error:
            return error.errno
    return None


def _cannot_listen(address: str, why: str) -> SettingsError:
    return SettingsError([f"{variable('listen')}: cannot listen on {address}: {why}"])
