"""Certificates for one run of the tests; nothing of them is kept."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

HOUR = timedelta(hours=1)


def now() -> datetime:
    return datetime.now(UTC)


def chain(leaf: trustme.LeafCert) -> bytes:
    return b"".join(blob.bytes() for blob in leaf.cert_chain_pems)


def serial_number(leaf: trustme.LeafCert) -> int:
    return x509.load_pem_x509_certificate(chain(leaf)).serial_number


class Pair:
    """A certificate and its key as files in a folder."""

    def __init__(self, folder: Path, name: str, leaf: trustme.LeafCert) -> None:
        self.certificate = folder / f"{name}.pem"
        self.key = folder / f"{name}.key"
        self.write(leaf)

    def write(self, leaf: trustme.LeafCert) -> None:
        """Replaces first the certificate and then the key, each at once, as tools do that know no better."""
        replace(self.certificate, chain(leaf))
        replace(self.key, leaf.private_key_pem.bytes())


class Certificates:
    """An authority, and the files that it made in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca_file)
        self.server = Pair(folder, "server", self.leaf())
        self.client = Pair(
            folder, "client", self.authority.issue_cert("client.example", common_name="client")
        )

    def leaf(
        self, *, not_before: datetime | None = None, not_after: datetime | None = None
    ) -> trustme.LeafCert:
        """A new certificate for a server."""
        return self.authority.issue_cert("localhost", "127.0.0.1", not_before=not_before, not_after=not_after)

    def server_settings(self, *, mutual: bool = False) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "tls_cert_file": str(self.server.certificate),
            "tls_key_file": str(self.server.key),
        }
        return settings | ({"tls_client_ca_file": str(self.ca_file)} if mutual else {})

    def channel_credentials(self, pair: Pair | None = None) -> grpc.ChannelCredentials:
        """Of a client that trusts the authority, and shows `pair` where there is one."""
        own = (pair.key.read_bytes(), pair.certificate.read_bytes()) if pair else (None, None)
        return grpc.ssl_channel_credentials(self.ca_file.read_bytes(), *own)

    def client_flags(self, *, mutual: bool = False) -> list[str]:
        flags = ["--ca-file", str(self.ca_file)]
        pair = ["--cert-file", str(self.client.certificate), "--key-file", str(self.client.key)]
        return flags + (pair if mutual else [])


def self_signed(
    key: CertificateIssuerPrivateKeyTypes,
    *,
    names: tuple[x509.GeneralName, ...] = (x509.DNSName("localhost"),),
    common_name: str = "localhost",
    not_after: datetime | None = None,
    extensions: tuple[x509.ExtensionType, ...] = (),
) -> tuple[bytes, bytes]:
    """Certificate and key in PEM of a kind that trustme does not make."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - 2 * HOUR)
        .not_valid_after(not_after or now() + HOUR)
    )
    alternatives = (x509.SubjectAlternativeName(names),) if names else ()
    for extension in (*alternatives, *extensions):
        builder = builder.add_extension(extension, critical=False)
    hashed = isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = builder.sign(key, hashes.SHA256() if hashed else None)
    return certificate.public_bytes(serialization.Encoding.PEM), private_pem(key)


def private_pem(key: CertificateIssuerPrivateKeyTypes, password: bytes | None = None) -> bytes:
    """`key` in PEM, encrypted where there is a password."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption(),
    )


def replace(path: Path, content: bytes) -> None:
    """Puts a new file in the place of `path`, so that no reader sees half of it."""
    temporary = path.with_suffix(".new")
    temporary.write_bytes(content)
    os.replace(temporary, path)  # noqa: PTH105  # Path.replace is the same; this one says what it does
