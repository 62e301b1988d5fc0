"""Live chat: what others leave, as it happens."""

import re

from pydantic import Field, field_validator

from routeguide.settings.concern import Concern

_POSTGRES_URL = re.compile(r"postgresql://")


class LiveSettings(Concern):
    """Bounds are per stream."""

    live_chat: bool = Field(
        False, description="Whether RouteChat may also send what others store meanwhile, to calls that ask."
    )
    live_waiting_notes: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="Notes of others that may wait for a live stream's reader; with more it is ended.",
    )
    live_locations: int = Field(
        1000, ge=1, le=1_000_000, description="Locations at which one live stream may speak."
    )
    postgres_listen_url: str = Field(
        "",
        description="URL of PostgreSQL itself, to hear of notes at once, where the storage URL is a pooler.",
    )

    @field_validator("postgres_listen_url")
    @classmethod
    def _listen_url_is_of_postgres(cls, value: str) -> str:
        if value and not _POSTGRES_URL.match(value):
            raise ValueError("must begin with postgresql://")
        return value
