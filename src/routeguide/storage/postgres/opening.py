"""Which database, how patiently it is used, and errors that its operator can act upon."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from routeguide.errors import StorageError, StorageUnusable
from routeguide.redaction import shown
from routeguide.storage.postgres.connections import Connections
from routeguide.storage.postgres.errors import DRIVER_ERRORS, at_opening
from routeguide.storage.postgres.options import PostgresOptions


@dataclass(frozen=True, slots=True)
class Database:
    """Where it is and how it is used."""

    url: str
    timeout: float
    """Seconds that an operation may take."""
    options: PostgresOptions

    async def connect(self) -> Connections:
        """Raises StorageUnavailable or StorageUnusable, written for the operator."""
        return await Connections.open(self.url, timeout=self.timeout, options=self.options)

    @contextmanager
    def errors_for_its_operator(self) -> Generator[None, None, None]:
        """Words the errors of the block anew: they say which database, and what PostgreSQL complains of."""
        try:
            yield
        except StorageError as error:
            cause = error.__cause__
            if isinstance(cause, DRIVER_ERRORS) and not isinstance(error, StorageUnusable):
                raise at_opening(cause, shown(self.url)) from cause
            raise type(error)(f"{shown(self.url)}: {error}") from error


@asynccontextmanager
async def connected(database: Database) -> AsyncGenerator[Connections, None]:
    """Connections for one task of the operator's, closed at the end."""
    connections = await database.connect()
    try:
        with database.errors_for_its_operator():
            yield connections
    finally:
        await connections.close()
