"""Times of different concerns that depend on each other."""

from collections.abc import Iterator

from routeguide.settings.limits import LimitSettings
from routeguide.settings.names import variable
from routeguide.settings.postgres import PostgresSettings
from routeguide.settings.storage import StorageSettings


class Times(LimitSettings, PostgresSettings, StorageSettings):
    """A bound that a wider one forestalls hides from callers, and from the log, what really happened."""

    def contradictions(self) -> Iterator[str]:
        yield from super().contradictions()
        if not self.storage_url.startswith("postgresql://"):
            return
        acquire, storage, unary = map(variable, _FIELDS)
        if self.postgres_acquire_timeout >= self.storage_timeout:
            yield f"{acquire} must be below {storage}, or no call is told that all connections are in use"
        if 0 < self.unary_timeout <= self.longest_storage_wait:
            yield f"{unary} must exceed {storage} twice over, or calls end before a failing store is known"


_FIELDS = ("postgres_acquire_timeout", "storage_timeout", "unary_timeout")
