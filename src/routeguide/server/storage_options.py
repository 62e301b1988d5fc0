"""What the settings say about PostgreSQL, in the form that the storage takes."""

from dataclasses import fields

from routeguide.settings import Settings
from routeguide.storage.postgres.options import PostgresOptions


def postgres_options(settings: Settings) -> PostgresOptions:
    """Each option has a setting of its name, which begins with ``postgres_``."""
    return PostgresOptions(
        **{field.name: getattr(settings, f"postgres_{field.name}") for field in fields(PostgresOptions)}
    )
