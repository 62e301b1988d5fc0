"""What the settings say about PostgreSQL, in the form that the storage takes."""

from dataclasses import fields

from routeguide.settings import Settings
from routeguide.storage.postgres.options import PostgresOptions


def postgres_options(settings: Settings) -> PostgresOptions:
    """Each option but one has a setting of its name, which begins with ``postgres_``."""
    names = {field.name for field in fields(PostgresOptions)} - {"live_chat"}  # which concerns every store
    options = {name: getattr(settings, f"postgres_{name}") for name in names}
    return PostgresOptions(live_chat=settings.live_chat, **options)
