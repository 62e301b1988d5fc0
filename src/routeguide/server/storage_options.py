"""What the settings say about PostgreSQL, as the storage takes it, and what is wrong with its files."""

import ssl
from dataclasses import fields

from routeguide.server.files import read_file
from routeguide.settings import Settings
from routeguide.storage.postgres.options import PostgresOptions


def postgres_options(settings: Settings, *, live_chat: bool = False) -> PostgresOptions:
    """Each option but one has a setting of its name, which begins with ``postgres_``.

    Args:
        live_chat: for a server with live streams. A one-off task has none, and opens no connection for them.
    """
    names = {field.name for field in fields(PostgresOptions)} - {"live_chat"}
    options = {name: getattr(settings, f"postgres_{name}") for name in names}
    return PostgresOptions(live_chat=live_chat, **options)


def postgres_file_problems(settings: Settings) -> list[str]:
    """What is wrong with the files, for whoever is about to use the database. It blocks.

    Apart from the settings: a health check loads those too, while a file is being replaced.
    """
    if not settings.storage_url.startswith("postgresql://"):
        return []
    problems = []
    if path := settings.postgres_tls_ca_file:
        authorities = read_file("postgres_tls_ca_file", path)
        if obstacle := authorities.obstacle or _obstacle_to_trusting(path):
            problems.append(authorities.problem(obstacle))
    if path := settings.postgres_password_file:
        password = read_file("postgres_password_file", path)
        if password.obstacle:  # not what it holds, which changes under way
            problems.append(password.problem(password.obstacle))
    return problems


def _obstacle_to_trusting(path: str) -> str | None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return "it holds no certificate in PEM"
    except OSError as error:  # it has been replaced since it was read
        return f"it cannot be read ({error.strerror})"
    return None
