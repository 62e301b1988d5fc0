"""What the settings say about PostgreSQL, in the form that the storage takes."""

from dataclasses import fields

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
