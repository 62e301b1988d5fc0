"""What is said about certificates and keys that cannot be served: everything at once, by variable."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from routeguide.errors import SettingsError
from routeguide.server.certificates import load_identity, names_in, read_files
from routeguide.settings import Settings
from tests.support.certificates import HOUR, Certificates, Pair, chain, now, private_pem, self_signed

CERT, KEY, CLIENT_CA, NAMES = (
    "ROUTEGUIDE_TLS_CERT_FILE",
    "ROUTEGUIDE_TLS_KEY_FILE",
    "ROUTEGUIDE_TLS_CLIENT_CA_FILE",
    "ROUTEGUIDE_TLS_CLIENT_NAMES",
)

Spoil = Callable[[Certificates], None]


def expired(made: Certificates) -> None:
    made.server.write(made.leaf(not_after=now() - HOUR))


def not_yet_valid(made: Certificates) -> None:
    made.server.write(made.leaf(not_before=now() + HOUR))


def of_another_key(made: Certificates) -> None:
    made.server.key.write_bytes(made.leaf().private_key_pem.bytes())


def in_the_wrong_order(made: Certificates) -> None:
    intermediate = made.authority.create_child_ca()
    leaf = intermediate.issue_cert("localhost")
    made.server.write(leaf)
    made.server.certificate.write_bytes(b"".join(blob.bytes() for blob in reversed(leaf.cert_chain_pems)))


def encrypted(made: Certificates) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made.server.certificate.write_bytes(self_signed(key)[0])
    made.server.key.write_bytes(private_pem(key, b"secret"))


def on_curve_521(made: Certificates) -> None:
    certificate, key = self_signed(ec.generate_private_key(ec.SECP521R1()))
    made.server.certificate.write_bytes(certificate)
    made.server.key.write_bytes(key)


def of_ed25519(made: Certificates) -> None:
    certificate, key = self_signed(ed25519.Ed25519PrivateKey.generate())
    made.server.certificate.write_bytes(certificate)
    made.server.key.write_bytes(key)


def swapped(made: Certificates) -> None:
    certificate, key = made.server.certificate.read_bytes(), made.server.key.read_bytes()
    made.server.certificate.write_bytes(key)
    made.server.key.write_bytes(certificate)


def under_an_intermediate(made: Certificates) -> tuple[bytes, bytes]:
    """Puts a leaf in place that is issued so; returns it and the certificate of its issuer."""
    leaf = made.authority.create_child_ca().issue_cert("localhost")
    made.server.write(leaf)
    first, following = (blob.bytes() for blob in leaf.cert_chain_pems)
    return first, following


def without_the_middle(made: Certificates) -> None:
    leaf, _ = under_an_intermediate(made)
    made.server.certificate.write_bytes(leaf + made.ca_file.read_bytes())


def garbled_after_the_first(made: Certificates) -> None:
    leaf, issuer = under_an_intermediate(made)
    made.server.certificate.write_bytes(leaf + issuer.replace(b"\nM", b"\n!"))


def indented(made: Certificates) -> None:
    lines = made.server.certificate.read_bytes().splitlines(keepends=True)
    made.server.certificate.write_bytes(b"".join(b"  " + line for line in lines))


def for_clients(made: Certificates) -> None:
    write_for(made, ExtendedKeyUsageOID.CLIENT_AUTH)


def for_any_use(made: Certificates) -> None:
    write_for(made, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)


def write_for(made: Certificates, *usages: x509.ObjectIdentifier) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate, key_pem = self_signed(key, extensions=(x509.ExtendedKeyUsage(usages),))
    made.server.certificate.write_bytes(certificate)
    made.server.key.write_bytes(key_pem)


def expired_authority_beside_a_leaf(made: Certificates) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    expired_one, _ = self_signed(key, not_after=now() - HOUR, extensions=(x509.BasicConstraints(True, None),))
    made.ca_file.write_bytes(expired_one + chain(made.leaf()))


def leaf_for_an_authority(made: Certificates) -> None:
    made.ca_file.write_bytes(chain(made.leaf()))


def a_pipe(made: Certificates) -> None:
    made.server.certificate.unlink()
    os.mkfifo(made.server.certificate)


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def problems(made: Certificates) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load_identity(read_files(Settings(**made.server_settings(mutual=True))))
    return list(raised.value.problems)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (expired, [(CERT, "expired on")]),
        (not_yet_valid, [(CERT, "is not valid before")]),
        (of_another_key, [(KEY, "does not belong to the first certificate")]),
        (
            in_the_wrong_order,
            [(CERT, "was not issued by the next"), (KEY, "does not belong to the first certificate")],
        ),
        (without_the_middle, [(CERT, "was not issued by the next")]),
        (garbled_after_the_first, [(CERT, "cut off or no valid PEM")]),
        (indented, [(CERT, "cut off or no valid PEM")]),
        (for_clients, [(CERT, "lack serverAuth")]),
        (for_any_use, [(CERT, "lack serverAuth")]),
        (encrypted, [(KEY, "the key is encrypted")]),
        (on_curve_521, [(KEY, "none that gRPC clients accept")]),
        (of_ed25519, [(KEY, "none that gRPC clients accept")]),
        (swapped, [(CERT, "holds no certificate"), (KEY, "holds no private key")]),
        (lambda made: made.server.certificate.unlink(), [(CERT, "No such file")]),
        (lambda made: made.server.key.unlink(), [(KEY, "No such file")]),
        (lambda made: made.ca_file.unlink(), [(CLIENT_CA, "No such file")]),
        (lambda made: made.server.certificate.write_bytes(b""), [(CERT, "holds no certificate")]),
        (lambda made: made.server.certificate.write_bytes(b"\xff" * 100), [(CERT, "holds no certificate")]),
        (lambda made: made.server.key.write_bytes(b"garbage"), [(KEY, "holds no private key")]),
        (lambda made: made.ca_file.write_bytes(b"\n"), [(CLIENT_CA, "holds no certificate")]),
        (expired_authority_beside_a_leaf, [(CLIENT_CA, "every authority in it has expired")]),
        (leaf_for_an_authority, [(CLIENT_CA, "no certificate in it is an authority's")]),
        (lambda made: made.server.key.write_bytes(b"x" * 2**21), [(KEY, "larger than")]),
        (a_pipe, [(CERT, "it is no regular file")]),
    ],
)
def test_misconfiguration_is_told(made: Certificates, spoil: Spoil, expected: list[tuple[str, str]]) -> None:
    spoil(made)

    told = problems(made)

    assert len(told) == len(expected)
    for line, (variable, words) in zip(told, expected, strict=True):
        assert line.startswith(f"{variable}: {made.folder}")
        assert words in line


def test_file_that_ends_within_its_second_certificate_is_refused(made: Certificates) -> None:
    """Wherever it ends: the places that are tried are so close that each marker is cut as well."""
    leaf, issuer = under_an_intermediate(made)
    whole, both = len(leaf), leaf + issuer.rstrip()
    for file, variable in ((made.server.certificate, CERT), (made.ca_file, CLIENT_CA)):
        complete = file.read_bytes()
        for end in range(whole + 1, len(both), 12):
            file.write_bytes(both[:end])
            assert problems(made) == [f"{variable}: {file}: a certificate in it is cut off or no valid PEM"]
        file.write_bytes(complete)


def test_unreadable_file_is_told(made: Certificates) -> None:
    """A folder in its place: permissions do not stop root, who may run the tests."""
    made.server.key.unlink()
    made.server.key.mkdir()

    assert problems(made) == [f"{KEY}: {made.server.key}: it cannot be read (Is a directory)"]


def test_every_problem_is_told_at_once(made: Certificates) -> None:
    made.server.certificate.write_bytes(chain(made.leaf(not_after=now() - HOUR)))
    made.ca_file.write_bytes(b"")

    told = problems(made)

    assert [line.partition(":")[0] for line in told] == [CERT, KEY, CLIENT_CA]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["tls_cert_file"], [CERT]),
        (["tls_key_file"], [KEY]),
        (["tls_client_ca_file"], [CLIENT_CA]),
        (["tls_client_names"], [NAMES]),
        (["tls_cert_file", "tls_client_names"], [CERT, NAMES]),
        (["tls_key_file", "tls_client_ca_file"], [KEY]),
    ],
)
def test_halves_are_refused(fields: list[str], expected: list[str]) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load(dict.fromkeys(fields, "x"))

    assert [problem.partition(":")[0] for problem in raised.value.problems] == expected


def test_names_that_are_only_commas_are_refused() -> None:
    fields = dict.fromkeys(["tls_cert_file", "tls_key_file", "tls_client_ca_file"], "x")

    with pytest.raises(SettingsError, match="no name between the commas"):
        Settings.load({**fields, "tls_client_names": " , "})


def test_chain_expires_with_its_first_certificate(tmp_path: Path) -> None:
    soon = (now() + HOUR).replace(microsecond=0)
    made = Certificates(tmp_path)
    made.server.write(made.leaf(not_after=soon))

    assert load_identity(read_files(Settings(**made.server_settings()))).not_after == soon


def test_chain_with_its_root_and_usages_is_accepted(made: Certificates) -> None:
    leaf, issuer = under_an_intermediate(made)
    made.server.certificate.write_bytes(leaf + b"# its issuers\r\n" + issuer + made.ca_file.read_bytes())
    assert load_identity(read_files(Settings(**made.server_settings()))).not_after > now()

    write_for(made, ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)
    assert load_identity(read_files(Settings(**made.server_settings()))).not_after > now()


def test_self_signed_certificate_of_a_client_vouches_for_itself(made: Certificates) -> None:
    """Without the extension that says so, as roots of version 1 are, which have none at all."""
    made.ca_file.write_bytes(self_signed(ec.generate_private_key(ec.SECP256R1()))[0])

    assert load_identity(read_files(Settings(**made.server_settings(mutual=True)))).not_after > now()


@pytest.mark.parametrize("kind", trustme.KeyType)
def test_usual_keys_are_accepted(tmp_path: Path, kind: trustme.KeyType) -> None:
    made = Certificates(tmp_path)
    Pair(tmp_path, "server", made.authority.issue_cert("localhost", key_type=kind))

    assert load_identity(read_files(Settings(**made.server_settings()))).not_after > now()


def test_names_in_a_certificate() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    names = (x509.UniformResourceIdentifier("spiffe://a/b"), x509.DNSName("a.example"))

    assert names_in(self_signed(key, names=names)[0]) == ["a.example"]
    assert names_in(self_signed(key, names=(), common_name="b.example")[0]) == ["b.example"]
