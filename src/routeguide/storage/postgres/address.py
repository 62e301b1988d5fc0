"""Where the database is, and how a connection proves who is calling.

The URL, the variables of libpq (`PGHOST`, `PGUSER`, `PGPASSWORD`, `PGSSLMODE` ...) and a `.pgpass` are read
by the driver, which does it as libpq does. What the options say is added here, and wins.
"""

import errno
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from routeguide.storage.postgres.options import PostgresOptions

_ISOLATION = {"default_transaction_isolation": "read committed"}
"""Whatever the role's is. Who has waited for a lock has to see what was committed meanwhile."""


def connect_arguments(url: str, options: PostgresOptions) -> dict[str, Any]:
    """The arguments of `asyncpg.connect` for `url`, all but those of a pool."""
    arguments: dict[str, Any] = {
        "dsn": _with_tls(url, options),
        "timeout": options.connect_timeout,
        "server_settings": _server_settings(options),
        "statement_cache_size": 0 if options.pooler else 256,
    }
    if "target_session_attrs" not in dict(parse_qsl(urlsplit(url).query)):
        # After a failover the old server may come back as a standby, which takes no notes.
        arguments["target_session_attrs"] = "read-write"
    if options.password_file:
        arguments["password"] = password_reader(Path(options.password_file))
    return arguments


def password_reader(file: Path) -> Callable[[], str]:
    """What the driver calls for the password each time that it connects.

    Raises, when called, OSError: the file cannot be read, or holds no password.
    """
    return partial(_password_in, file)


def _password_in(file: Path) -> str:
    """What `file` holds, less the end of its line, or the ``password`` of the JSON object that it holds.

    AWS Secrets Manager keeps the credentials of a database as such an object.
    """
    text = file.read_text("utf-8", "replace").rstrip("\r\n")
    password = _password_of(text) if text.startswith("{") else text
    if not password:
        raise OSError(errno.ENODATA, "the file holds no password", str(file))
    return password


def _password_of(text: str) -> str:
    """`text` itself if it is no such object: passwords may begin with a brace."""
    try:
        return str(json.loads(text)["password"])
    except (ValueError, KeyError):
        return text


def _with_tls(url: str, options: PostgresOptions) -> str:
    address, _, query = url.partition("?")
    parameters = dict(parse_qsl(query))
    if options.tls_mode:
        parameters["sslmode"] = options.tls_mode
    if options.tls_ca_file:
        parameters["sslrootcert"] = options.tls_ca_file
    return f"{address}?{urlencode(parameters, quote_via=quote)}" if parameters else url


def _server_settings(options: PostgresOptions) -> dict[str, str]:
    """What a session is set to for its whole life.

    A pooler shares sessions among clients and refuses parameters that it does not track, or gives up sharing;
    behind one the limits are the role's, or each transaction's.
    """
    named = {"application_name": options.application_name}
    return named if options.pooler else named | _ISOLATION | options.limits
