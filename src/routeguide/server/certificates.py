"""A certificate, its key and the authorities of clients: read from files, and fit to be served or refused.

Everything is checked here, before grpc sees it: grpc names no reason for what it refuses, and refuses a
certificate that it is given later on by failing the connections of clients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from routeguide.errors import SettingsError
from routeguide.server.files import NamedFile, read_file
from routeguide.settings import Settings

_CURVES = (ec.SECP256R1, ec.SECP384R1)
"""Measured with grpc 1.85: with a key on P-521 or of Ed25519 every handshake fails for want of a common
signature algorithm; other curves it cannot load."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its key, and the authorities of clients, all of them valid when it was made."""

    configuration: grpc.ServerCertificateConfiguration
    not_after: datetime
    """When the first certificate of the chain expires."""
    subject: str
    serial_number: int


def read_files(settings: Settings) -> tuple[NamedFile, ...]:
    """The files of certificate, key and, with mutual TLS, authorities, in this order. It blocks; files of
    the same content are equal."""
    fields = ("tls_cert_file", "tls_key_file", "tls_client_ca_file")
    return tuple(read_file(field, path) for field in fields if (path := getattr(settings, field)))


def load_identity(files: Sequence[NamedFile]) -> Identity:
    """The identity in `files`, as `read_files` returns them.

    Raises:
        SettingsError: with every problem of every file, each with the name of its variable.
    """
    certificate, key, *authorities = files
    chain = _certificates(certificate)
    problems = _chain_problems(certificate, chain) + _pairing_problems(key, chain)
    problems += [problem for file in authorities for problem in _authority_problems(file)]
    if problems:
        raise SettingsError(problems)
    return Identity(
        grpc.ssl_server_certificate_configuration(
            [(key.content, certificate.content)],
            root_certificates=authorities[0].content if authorities else None,
        ),
        min(each.not_valid_after_utc for each in chain),
        chain[0].subject.rfc4514_string(),
        chain[0].serial_number,
    )


def names_in(certificate: bytes) -> list[str]:
    """The DNS names and addresses that a PEM certificate is for, DNS names first.

    Raises:
        ValueError: it is no certificate.
    """
    parsed = x509.load_pem_x509_certificate(certificate)
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [str(each.value) for each in parsed.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    addresses = names.get_values_for_type(x509.IPAddress)
    return [*names.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _certificates(file: NamedFile) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.content)
    except (ValueError, x509.InvalidVersion):
        return []


def _chain_problems(file: NamedFile, chain: Sequence[x509.Certificate]) -> list[str]:
    if not chain:
        return [file.problem(file.obstacle or "it holds no certificate in PEM")]
    return [problem for certificate in chain for problem in _validity_problems(file, certificate)]


def _validity_problems(file: NamedFile, certificate: x509.Certificate) -> list[str]:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    name, now = certificate.subject.rfc4514_string() or "without a subject", datetime.now(UTC)
    if end <= now:
        return [file.problem(f"certificate {name} expired on {end:%Y-%m-%d %H:%M} UTC")]
    if begin > now:
        return [file.problem(f"certificate {name} is not valid before {begin:%Y-%m-%d %H:%M} UTC")]
    return []


def _pairing_problems(file: NamedFile, chain: Sequence[x509.Certificate]) -> list[str]:
    """What is wrong with the key in `file`, by itself and as that of the first certificate in `chain`."""
    if file.obstacle:
        return [file.problem(file.obstacle)]
    try:
        key = serialization.load_pem_private_key(file.content, password=None)
    except TypeError:
        return [file.problem("the key is encrypted; a server has nobody to ask for its password")]
    except (ValueError, UnsupportedAlgorithm):
        return [file.problem("it holds no private key in PEM")]
    problems = []
    if not isinstance(key, rsa.RSAPrivateKey) and not _is_on_known_curve(key):
        problems.append(
            file.problem("the key's kind is none that gRPC clients accept; use RSA, P-256 or P-384")
        )
    if chain and chain[0].public_key() != key.public_key():
        problems.append(file.problem("the key does not belong to the first certificate of the chain"))
    return problems


def _is_on_known_curve(key: object) -> bool:
    return isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, _CURVES)


def _authority_problems(file: NamedFile) -> list[str]:
    authorities = _certificates(file)
    if not authorities:
        why = file.obstacle or "it holds no certificate in PEM, so no client could connect"
        return [file.problem(why)]
    if all(each.not_valid_after_utc <= datetime.now(UTC) for each in authorities):
        return [file.problem("every authority in it has expired, so no client could connect")]
    return []
