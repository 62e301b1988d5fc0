"""Why a connection cannot be had, in words.

grpc says "Socket closed" for most failures of TLS. A handshake with Python's `ssl`, which knows what it met,
tells more. It is made only where a connection has failed already.
"""

import socket
import ssl
from dataclasses import dataclass, replace
from typing import Any

from routeguide.client.address import address_of
from routeguide.client.tls import ClientTls

_PATIENCE = 3.0
"""Seconds for each step of the handshake."""

_EXPIRED, _NOT_YET_VALID, _WRONG_NAME, _WRONG_ADDRESS = 10, 9, 62, 64
"""X509_V_ERR_… of OpenSSL; ssl has no names for them."""

_ANY_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL: an expired certificate is read too, and told to be that later."""


def obstacle(target: str, tls: ClientTls | None) -> str | None:
    """What stands between this client and `target`; None where TLS has no part in it. It blocks, for a few
    seconds at the most."""
    address = address_of(target)
    if address is None:
        return None
    try:
        return _encrypted_reason(address, tls) if tls else _plain_reason(address)
    except (OSError, ValueError):
        return None  # nobody listens, the network fails, or no host has such a name: grpc has said so


@dataclass(frozen=True, slots=True)
class Shown:
    """What a server shows in a handshake."""

    certificate: bytes
    """In PEM."""
    name: str | None
    """The first name or address that the certificate is for."""


def shown_by(target: str, tls: ClientTls) -> Shown | None:
    """The certificate of the server at `target`, unverified; None where it shows none. It blocks.

    Two handshakes, since `ssl` reads only certificates that it has verified: the second trusts the first's.
    """
    address = address_of(target)
    if address is None:
        return None
    try:
        context = tls.context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        certificate = ssl.DER_cert_to_PEM_cert(_peer_certificate(address, context, binary=True))
        context = replace(tls, roots=certificate.encode()).context()
        context.check_hostname = False
        context.verify_flags |= _ANY_TIME
        names = _peer_certificate(address, context, binary=False).get("subjectAltName", ())
    except (OSError, ValueError):  # as above
        return None
    return Shown(certificate.encode(), names[0][1] if names else None)


def _peer_certificate(address: tuple[str, int], context: ssl.SSLContext, *, binary: bool) -> Any:
    with (
        socket.create_connection(address, _PATIENCE) as raw,
        context.wrap_socket(raw, server_hostname=address[0]) as connection,
    ):
        return connection.getpeercert(binary)


def _plain_reason(address: tuple[str, int]) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # to see whether it speaks TLS at all
    with socket.create_connection(address, _PATIENCE) as raw, context.wrap_socket(raw):
        return "it speaks TLS, and this connection does not; use --tls"


def _encrypted_reason(address: tuple[str, int], tls: ClientTls) -> str | None:
    name = tls.server_name or address[0]
    with socket.create_connection(address, _PATIENCE) as raw:
        try:
            with tls.context().wrap_socket(raw, server_hostname=name) as connection:
                return _reason_after_handshake(connection, tls)
        except ssl.SSLCertVerificationError as error:
            return _verification_reason(error, name)
        except ssl.SSLError as error:
            return _alert_reason(error, tls)
        except (ConnectionError, TimeoutError):
            return "it does not answer TLS; does it serve plain text?"


def _reason_after_handshake(connection: ssl.SSLSocket, tls: ClientTls) -> str | None:
    if connection.selected_alpn_protocol() != "h2":
        return "it speaks TLS but not HTTP/2, which gRPC needs"
    # With TLS 1.3 a server looks at the client's certificate when the client is done already. If it is
    # content, its HTTP/2 settings come next.
    if connection.recv(1):
        return None
    return _client_reason(tls)


def _verification_reason(error: ssl.SSLCertVerificationError, name: str) -> str:
    if error.verify_code == _EXPIRED:
        return "its certificate, or that of its authority, has expired"
    if error.verify_code == _NOT_YET_VALID:
        return "its certificate is not valid yet; is this machine's clock right?"
    if error.verify_code in {_WRONG_NAME, _WRONG_ADDRESS}:
        return f"its certificate is not for {name}; if it may have another name, give it with --server-name"
    return (
        f"its certificate is from an authority that is not trusted here ({error.verify_message});"
        " name the authority's certificate with --ca-file"
    )


def _alert_reason(error: ssl.SSLError, tls: ClientTls) -> str:
    """What a failure that is not about the server's certificate means. OpenSSL names alerts, which the other
    side sends, as …_ALERT_…"""
    what = error.reason or ""
    if "ALERT" in what and ("CERTIFICATE" in what or "UNKNOWN_CA" in what or "HANDSHAKE_FAILURE" in what):
        return _client_reason(tls)
    if "VERSION" in what and "ALERT" in what:
        return "it speaks only versions of TLS that are too old"
    if what in {
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "RECORD_LAYER_FAILURE",
        "UNEXPECTED_EOF_WHILE_READING",
    }:
        return "it does not answer TLS; does it serve plain text?"
    return f"the TLS handshake fails ({what.replace('_', ' ').lower() or error})"


def _client_reason(tls: ClientTls) -> str:
    if tls.cert_file:
        return "it does not accept this client's certificate"
    return "it wants a certificate of the client; name one with --cert-file and --key-file"
