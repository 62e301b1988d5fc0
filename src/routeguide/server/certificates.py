"""A certificate, its key and the authorities of clients: read from files, and fit to be served or refused.

Everything is checked here, before grpc sees it: grpc names no reason for what it refuses, and refuses a
certificate that it is given later on by failing the connections of clients.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TypeVar

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from routeguide.errors import SettingsError
from routeguide.server.files import NamedFile, read_file
from routeguide.settings import Settings

_CURVES = (ec.SECP256R1, ec.SECP384R1)
"""Measured with grpc 1.85: with a key on P-521 or of Ed25519 every handshake fails for want of a common
signature algorithm; other curves it cannot load."""

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_BEGINNINGS = re.compile(rb"^-----BEGIN (?:X509 )?CERTIFICATE-----", re.MULTILINE)
"""Of a line, as grpc has it: it passes over a certificate that is indented or follows a byte order mark."""

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


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


def problems_of(files: Sequence[NamedFile]) -> list[str]:
    """Every problem of every file that `read_files` returns, each with the name of its variable. That some
    are missing is none: the settings tell it."""
    named = {file.field: file for file in files}
    problems, chain = list[str](), list[x509.Certificate]()
    if certificate := named.get("tls_cert_file"):
        chain = _certificates(certificate)
        problems += _chain_problems(certificate, chain)
    if key := named.get("tls_key_file"):
        problems += _pairing_problems(key, chain)
    if authorities := named.get("tls_client_ca_file"):
        problems += _authority_problems(authorities)
    return problems


def load_identity(files: Sequence[NamedFile]) -> Identity:
    """The identity in `files`, as `read_files` returns them: a certificate, its key, perhaps authorities.

    Raises:
        SettingsError: with every problem of every file, each with the name of its variable.
    """
    if problems := problems_of(files):
        raise SettingsError(problems)
    certificate, key, *authorities = files
    chain = _certificates(certificate)
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


def _obstacle(file: NamedFile, certificates: Sequence[x509.Certificate]) -> str | None:
    """Why not all of `file` was read, where `certificates` were."""
    if file.obstacle:
        return file.obstacle
    if len(_BEGINNINGS.findall(file.content)) != len(certificates) or _ends_with_a_beginning(file.content):
        return "a certificate in it is cut off or no valid PEM"
    return None if certificates else "it holds no certificate in PEM"


def _ends_with_a_beginning(content: bytes) -> bool:
    """Whether `content` is cut off within the line that begins a certificate."""
    _, _, last_line = content.rpartition(b"\n")
    return last_line != b"" and _BEGIN.startswith(last_line)


def _chain_problems(file: NamedFile, chain: Sequence[x509.Certificate]) -> list[str]:
    if obstacle := _obstacle(file, chain):
        return [file.problem(obstacle)]
    problems = [problem for certificate in chain for problem in _validity_problems(file, certificate)]
    return problems + _purpose_problems(file, chain[0]) + _order_problems(file, chain)


def _validity_problems(file: NamedFile, certificate: x509.Certificate) -> list[str]:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    name, now = _name(certificate), datetime.now(UTC)
    if end <= now:
        return [file.problem(f"certificate {name} expired on {end:%Y-%m-%d %H:%M} UTC")]
    if begin > now:
        return [file.problem(f"certificate {name} is not valid before {begin:%Y-%m-%d %H:%M} UTC")]
    return []


def _purpose_problems(file: NamedFile, certificate: x509.Certificate) -> list[str]:
    """Measured with grpc 1.85: anyExtendedKeyUsage does not stand for serverAuth, its clients refuse it."""
    usages = _extension(certificate, x509.ExtendedKeyUsage)
    if usages is None or ExtendedKeyUsageOID.SERVER_AUTH in usages:
        return []
    return [
        file.problem(f"certificate {_name(certificate)} is for no server: its key usages lack serverAuth")
    ]


def _order_problems(file: NamedFile, chain: Sequence[x509.Certificate]) -> list[str]:
    """RFC 5246 demands that order; that of TLS 1.3 leaves it to clients how much else they forgive."""
    return [
        file.problem(
            f"certificate {_name(issued)} was not issued by the next of the chain, {_name(following)}"
        )
        for issued, following in pairwise(chain)
        if not _is_issued_by(following, issued)
    ]


def _is_issued_by(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "without a subject"


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """None where there is none, or where one of them cannot be read: clients may forgive what is wrong."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return None


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
    certificates = _certificates(file)
    if obstacle := _obstacle(file, certificates):
        return [file.problem(obstacle)]
    authorities = [certificate for certificate in certificates if _may_vouch(certificate)]
    if not authorities:
        return [file.problem("no certificate in it is an authority's, so no client could connect")]
    if all(each.not_valid_after_utc <= datetime.now(UTC) for each in authorities):
        return [file.problem("every authority in it has expired, so no client could connect")]
    return []


def _may_vouch(certificate: x509.Certificate) -> bool:
    """For others; or for itself, as a self-signed one of a client and roots of version 1 do."""
    constraints = _extension(certificate, x509.BasicConstraints)
    return (constraints is not None and constraints.ca) or _is_issued_by(certificate, certificate)
