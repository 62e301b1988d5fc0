"""Where features and notes are kept, and how many of them."""

import re
from pathlib import PurePath

from pydantic import Field, field_validator

from routeguide.settings.concern import Concern

_STORAGE_URL = re.compile(r"memory://|sqlite:///[^?#]+|postgresql://\S*")

SEED_EXTENSIONS = (".json", ".geojson", ".csv")
"""Of the files that a store can be seeded from: their formats, which are known on a floor above."""


class StorageSettings(Concern):
    """Times are in seconds."""

    storage_url: str = Field(
        "sqlite:///data/routeguide.db",
        description="Where features and notes are kept: memory://, sqlite:///FILE or postgresql://HOST/DATABASE.",
    )
    storage_timeout: float = Field(
        4.0,
        gt=0,
        le=60,
        description="Seconds that SQLite waits for a lock, and that an operation on PostgreSQL may take.",
    )
    auto_migrate: bool = Field(
        False,
        description="Bring a database that is behind the code up to date at start, instead of refusing it.",
    )
    seed_features: str = Field(
        "sample",
        description="Features for a store that has none: sample (the shipped 100), a file, or none.",
    )
    notes_per_location: int = Field(
        100, ge=1, le=10_000, description="Notes that a location keeps; the newest stay."
    )
    notes_total: int = Field(
        1_000_000, ge=1, le=10**12, description="Notes that the store keeps in all; the newest stay."
    )
    notes_max_age: float = Field(
        0.0,
        ge=0,
        le=1e10,
        description="Seconds after which a note is dropped; 0 keeps notes for ever.",
    )

    @field_validator("storage_url")
    @classmethod
    def _storage_url_is_known(cls, value: str) -> str:
        if not _STORAGE_URL.fullmatch(value):
            raise ValueError(
                "must be memory://, sqlite:///relative/path, sqlite:////absolute/path"
                " or postgresql://user@host:port/database"
            )
        return value

    @field_validator("seed_features")
    @classmethod
    def _seed_features_is_known(cls, value: str) -> str:
        if value not in ("sample", "none") and PurePath(value).suffix.lower() not in SEED_EXTENSIONS:
            raise ValueError(f"must be sample, none or a file that ends in {', '.join(SEED_EXTENSIONS)}")
        return value

    @property
    def longest_storage_wait(self) -> float:
        """Seconds that anybody may wait for a locked store: a statement that has begun, then their own."""
        return 2 * self.storage_timeout
