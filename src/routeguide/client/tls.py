"""What a client needs to speak TLS: whom it trusts, who it is, and the name that it expects."""

import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc

from routeguide.errors import SettingsError

_ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch, distroless
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat, Amazon Linux
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)
"""Where systems keep their roots, for a Python whose OpenSSL was built for another place."""


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How a client speaks TLS. Fields that are None are left to the system, or not sent."""

    ca_file: str | None = None
    """PEM of the authorities, or of the very certificate, to trust; otherwise the system's roots."""
    cert_file: str | None = None
    """PEM of the client's own certificate chain, for mutual TLS."""
    key_file: str | None = None
    server_name: str | None = None
    """The name that the server's certificate must be for; otherwise the host that is called."""
    roots: bytes | None = None
    """What to trust in the place of `ca_file`, in PEM."""

    def credentials(self) -> grpc.ChannelCredentials:
        """Raises SettingsError: with every problem of the files."""
        problems = list(self._problems())
        if problems:
            raise SettingsError(problems)
        roots = _bytes_of(self.ca_file) or self.roots or system_roots()
        return grpc.ssl_channel_credentials(roots, _bytes_of(self.key_file), _bytes_of(self.cert_file))

    def options(self) -> list[tuple[str, str]]:
        """The channel's arguments that belong to the credentials."""
        return [("grpc.ssl_target_name_override", self.server_name)] if self.server_name else []

    def context(self) -> ssl.SSLContext:
        """The same for Python's `ssl`, so that it decides as grpc does."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(["h2"])
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a certificate may vouch for itself
        if roots := _bytes_of(self.ca_file) or self.roots or system_roots():
            context.load_verify_locations(cadata=roots.decode("ascii", "ignore"))
        else:
            context.load_default_certs()
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file, password=_no_password)
        return context

    def _problems(self) -> Iterator[str]:
        if self.ca_file:
            yield from _authority_problems(self.ca_file)
        if self.cert_file and self.key_file:
            yield from _pair_problems(self.cert_file, self.key_file)
        elif self.cert_file:
            yield f"{self.cert_file}: a certificate without a key; name the key as well"
        elif self.key_file:
            yield f"{self.key_file}: a key without a certificate; name the certificate as well"


def system_roots() -> bytes | None:
    """The certificates that this system trusts, in PEM; None leaves the choice to grpc.

    The variables of gRPC (GRPC_DEFAULT_SSL_ROOTS_FILE_PATH) and OpenSSL (SSL_CERT_FILE) win, in this order.
    grpc's own default is a list that comes with its package and knows nothing of what was added here.
    """
    named = os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
    for path in (named, ssl.get_default_verify_paths().cafile, *_ROOTS):
        if path and Path(path).is_file():
            return Path(path).read_bytes()
    return None


def _bytes_of(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path else None


def _authority_problems(path: str) -> Iterator[str]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        yield f"{path}: it holds no certificate in PEM"
    except OSError as error:
        yield f"{path}: it cannot be read ({error.strerror})"


def _pair_problems(cert_file: str, key_file: str) -> Iterator[str]:
    unreadable = [problem for path in (cert_file, key_file) for problem in _reading_problems(path)]
    if unreadable:
        yield from unreadable
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert_file, key_file, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            yield f"{key_file}: the key does not belong to the first certificate in {cert_file}"
        else:
            yield f"{cert_file}, {key_file}: they hold no certificate and key in PEM"


def _reading_problems(path: str) -> Iterator[str]:
    try:
        with Path(path).open("rb"):
            return
    except OSError as error:
        yield f"{path}: it cannot be read ({error.strerror})"


def _no_password() -> str:
    """In the place of OpenSSL's question on the terminal, so that an encrypted key is merely unreadable."""
    return ""
