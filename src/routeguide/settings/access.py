"""Who may call, and how often."""

from collections.abc import Iterator

from pydantic import Field, SecretStr, field_validator

from routeguide.settings.names import variable
from routeguide.settings.tls import TlsSettings
from routeguide.settings.tokens import SHORTEST, digests_in


class AccessSettings(TlsSettings):
    """Without tokens anybody may call; without a rate, as often as they like."""

    auth_tokens: SecretStr = Field(
        SecretStr(""),
        description=f"Bearer tokens of {SHORTEST} characters or more, or sha256:HEX of them, between commas;"
        " none lets anybody call.",
    )
    auth_tokens_file: str = Field(
        "", description="File with such tokens, one a line; it is read again when it changes."
    )
    auth_reflection: bool = Field(
        True, description="Whether the schema needs a token too, where calls need one."
    )
    tls_terminated: bool = Field(
        False, description="A balancer in front speaks TLS, so tokens are safe without a certificate here."
    )
    rate_limit: float = Field(
        0.0, ge=0, le=1e6, description="Calls a second that one client may make; 0 is any number."
    )
    rate_burst: int = Field(
        100, ge=1, le=1_000_000, description="Calls that one client may make at once before its rate counts."
    )
    trust_forwarded_for: bool = Field(
        False,
        description="Take the client's address from X-Forwarded-For, which a balancer in front writes.",
    )

    @field_validator("auth_tokens")
    @classmethod
    def _tokens_are_tokens(cls, value: SecretStr) -> SecretStr:
        # Whoever wrote something there meant to keep somebody out.
        if value.get_secret_value() and not digests_in(value.get_secret_value()):
            raise ValueError("it holds no tokens")
        return value

    def contradictions(self) -> Iterator[str]:
        yield from super().contradictions()
        if self.needs_tokens and not (self.tls_cert_file or self.tls_terminated):
            tokens = variable("auth_tokens" if self.auth_tokens.get_secret_value() else "auth_tokens_file")
            yield (
                f"{tokens}: without TLS anybody on the way can read tokens; set {variable('tls_cert_file')},"
                f" or {variable('tls_terminated')}=true if a balancer in front speaks TLS"
            )

    @property
    def needs_tokens(self) -> bool:
        """Whether calls need a token."""
        return bool(self.auth_tokens_file or digests_in(self.auth_tokens.get_secret_value()))
