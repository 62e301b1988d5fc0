"""How a PostgreSQL database is used. Other stores do not look at these."""

import os
from collections.abc import Iterator
from typing import Literal
from urllib.parse import parse_qsl

from pydantic import Field

from routeguide.settings.names import variable
from routeguide.settings.storage import StorageSettings

TlsMode = Literal["", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


class PostgresSettings(StorageSettings):
    """Times are in seconds. What is empty is left to the URL and to libpq's variables, such as PGSSLMODE."""

    postgres_pool_size: int = Field(
        10, ge=1, le=1000, description="Connections to PostgreSQL that this process opens at most."
    )
    postgres_acquire_timeout: float = Field(
        2.0, gt=0, le=60, description="Seconds that a call waits for a connection while all are in use."
    )
    postgres_connect_timeout: float = Field(
        3.0, gt=0, le=60, description="Seconds that opening a connection to PostgreSQL may take."
    )
    postgres_statement_timeout: float = Field(
        3.0,
        ge=0.001,
        le=60,
        description="Seconds after which PostgreSQL gives up a statement, or a transaction that is idle.",
    )
    postgres_tls_mode: TlsMode = Field(
        "",
        description="TLS to PostgreSQL: disable, allow, prefer, require, verify-ca or verify-full.",
    )
    postgres_tls_ca_file: str = Field(
        "", description="Authorities in PEM; one must have issued the certificate of the PostgreSQL server."
    )
    postgres_application_name: str = Field(
        "routeguide",
        min_length=1,
        max_length=63,
        pattern=r"^[ -~]+$",
        description="What pg_stat_activity shows for connections of this process.",
    )
    postgres_password_file: str = Field(
        "", description="File with the password, or JSON with a password in it; read for each connection."
    )
    postgres_pooler: bool = Field(
        False, description="The storage URL leads through a pooler in transaction mode, such as PgBouncer."
    )

    def contradictions(self) -> Iterator[str]:
        yield from super().contradictions()
        if self.postgres_tls_ca_file and self._effective_tls_mode() not in _VERIFYING:
            authority, mode, url = map(variable, ("postgres_tls_ca_file", "postgres_tls_mode", "storage_url"))
            yield (
                f"{authority}: certificates are not verified; set {mode} to {' or '.join(_VERIFYING)},"
                f" or sslmode in {url}"
            )

    def _effective_tls_mode(self) -> str:
        """As the driver finds it: the setting, else the URL's, else libpq's variable."""
        _, _, query = self.storage_url.partition("?")  # urlsplit raises where a password has a bracket
        of_url = dict(parse_qsl(query)).get("sslmode", "")
        return self.postgres_tls_mode or of_url or os.environ.get("PGSSLMODE", "")


_VERIFYING = ("verify-full", "verify-ca")
