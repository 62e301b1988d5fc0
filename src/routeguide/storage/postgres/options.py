"""How a PostgreSQL database is used: what the settings say, in a form that needs no settings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """Times are in seconds. What is empty is left to the URL and to the variables of libpq (`PGHOST` ...)."""

    pool_size: int = 10
    """Connections that a process opens at most."""
    acquire_timeout: float = 2.0
    """How long an operation waits for one of them while all are busy."""
    connect_timeout: float = 3.0
    """How long it takes at most to open one, TLS and password included; hosts of a URL share it."""
    statement_timeout: float = 3.0
    """After which the server gives a statement up; it also gives up a transaction that is idle so long."""
    tls_mode: str = ""
    """One of libpq's: disable, allow, prefer, require, verify-ca or verify-full."""
    tls_ca_file: str = ""
    """The authorities, in PEM, of which one must have issued the server's certificate."""
    application_name: str = "routeguide"
    """What ``pg_stat_activity`` shows."""
    password_file: str = ""
    """Read for every connection, because passwords rotate."""
    pooler: bool = False
    """A pooler in transaction mode stands in front of the server: nothing outlives a transaction."""
    live_chat: bool = False
    """Servers tell each other what they store; it takes one connection beside the pool."""
    listen_url: str = ""
    """Where that connection leads, if not where the others do: past the pooler."""

    @property
    def limits(self) -> dict[str, str]:
        """PostgreSQL's parameters that keep a session from holding up the others."""
        milliseconds = str(int(self.statement_timeout * 1000))
        return {
            "statement_timeout": milliseconds,
            # A server that freezes in mid-transaction must not keep its locks from the others.
            "idle_in_transaction_session_timeout": milliseconds,
            # Nor may the statement of somebody who has hung up keep them until it is given up.
            "client_connection_check_interval": "1s",
        }
