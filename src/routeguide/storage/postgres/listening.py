"""The connection that hears announcements."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn

import asyncpg
import structlog

from routeguide.storage.postgres.address import connect_arguments, shown
from routeguide.storage.postgres.errors import DRIVER_ERRORS
from routeguide.storage.postgres.options import PostgresOptions

CHANNEL = "routeguide_notes"

_HEARTBEAT = 5.0
"""Seconds of silence after which the connection is asked whether it still stands."""

_PAUSE = 1.0
"""Seconds between two attempts to connect."""

_log = structlog.get_logger(__name__)


def listener_for(url: str, options: PostgresOptions) -> "Listener | None":
    """A listener at the address that `options` give it, or at `url` unless that leads to a pooler."""
    if options.listen_url or not options.pooler:
        return Listener(options.listen_url or url, options)
    return None


class Listener:
    """Listens on a session of its own, outside of the pool, and on a new one whenever that is lost."""

    def __init__(self, url: str, options: PostgresOptions) -> None:
        """
        Args:
            url: leads to the database itself, for a pooler in transaction mode hands out no sessions.
        """
        self._url = url
        self._options = replace(
            options, pooler=False, application_name=f"{options.application_name} listening"
        )
        self._is_lost = False

    async def run(self, hear: Callable[[str], object], begin: Callable[[], object]) -> NoReturn:
        """Calls `hear` with each announcement, and `begin` whenever it has begun to listen. Never returns."""
        while True:
            try:
                await self._listen(hear, begin)
            except (*DRIVER_ERRORS, ValueError) as error:
                self._tell_once(error)
            await asyncio.sleep(_PAUSE)

    async def _listen(self, hear: Callable[[str], object], begin: Callable[[], object]) -> None:
        """Returns, or raises an error of the driver's, when the connection is lost."""
        connection = await asyncpg.connect(**connect_arguments(self._url, self._options))
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, lambda _connection, _pid, _channel, said: hear(str(said)))
            self._is_lost = False
            _log.info("hears what other servers store", url=shown(self._url))
            begin()
            while not lost.is_set():
                await self._stands(connection, lost)
        finally:
            connection.terminate()  # a server that is paused would not say goodbye
        raise ConnectionError("the connection was closed")

    async def _stands(self, connection: Any, lost: asyncio.Event) -> None:
        """Waits a while; raises if the connection does not answer then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEARTBEAT):
                await lost.wait()
                return
        await connection.execute("SELECT", timeout=_HEARTBEAT)

    def _tell_once(self, error: Exception) -> None:
        if not self._is_lost:
            self._is_lost = True
            _log.warning("does not hear what other servers store, and looks once a second", error=repr(error))
