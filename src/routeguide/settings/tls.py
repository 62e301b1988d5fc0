"""Encryption: what the server shows, and whom it trusts."""

from collections.abc import Iterator

from pydantic import Field

from routeguide.settings.concern import Concern
from routeguide.settings.names import variable


class TlsSettings(Concern):
    """Without a certificate the server speaks plain text. What the files hold is checked at start."""

    tls_cert_file: str = Field(
        "", description="Certificate chain in PEM, the server's own first; without one there is no TLS."
    )
    tls_key_file: str = Field("", description="Private key in PEM that belongs to the certificate.")
    tls_client_ca_file: str = Field(
        "", description="Authorities in PEM; clients must then show a certificate that one of them issued."
    )
    tls_client_names: str = Field(
        "",
        description="Names, between commas, of the clients that may call; none lets every verified one call.",
    )
    tls_reload_interval: float = Field(
        5.0, gt=0, le=3600, description="Seconds between two looks whether the files above have changed."
    )

    def contradictions(self) -> Iterator[str]:
        yield from super().contradictions()
        cert, key, authority, names = map(variable, _FIELDS)
        if self.tls_key_file and not self.tls_cert_file:
            yield f"{key}: a key without a certificate; set {cert} too"
        if self.tls_cert_file and not self.tls_key_file:
            yield f"{cert}: a certificate without a key; set {key} too"
        if self.tls_client_ca_file and not (self.tls_cert_file or self.tls_key_file):
            yield f"{authority}: clients can be verified only over TLS; set {cert} and {key} too"
        if self.tls_client_names.strip() and not self.tls_client_ca_file:
            yield f"{names}: the names of clients are known only with mutual TLS; set {authority} too"
        if self.tls_client_names.strip() and not self.permitted_clients:
            yield f"{names}: there is no name between the commas"

    @property
    def permitted_clients(self) -> frozenset[str]:
        """The names of the clients that may call; none permits every verified client."""
        return frozenset(name.strip() for name in self.tls_client_names.split(",")) - {""}


_FIELDS = ("tls_cert_file", "tls_key_file", "tls_client_ca_file", "tls_client_names")
