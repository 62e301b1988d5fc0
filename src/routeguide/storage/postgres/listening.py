"""The connection that hears announcements."""

import asyncio
import errno
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn

import asyncpg
import structlog

from routeguide.errors import StorageError, StorageUnusable
from routeguide.redaction import shown
from routeguide.storage.postgres.address import connect_arguments
from routeguide.storage.postgres.errors import DRIVER_ERRORS, at_opening
from routeguide.storage.postgres.hosts import connect
from routeguide.storage.postgres.options import PostgresOptions

CHANNEL = "routeguide_notes"

_HEARTBEAT = 5.0
"""Seconds of silence after which the connection is asked whether it still stands, and to answer in."""

_PAUSE = 1.0
"""Seconds until the next attempt, if the connection did not last that long."""

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

    async def check(self) -> None:
        """Connects once, to find out now what will never go right; what may pass is left to `run`.

        Raises:
            StorageUnusable: written for the operator.
        """
        try:
            connection = await self._connected()
        except (*DRIVER_ERRORS, ValueError) as error:
            failure = at_opening(error, shown(self._url))
            if isinstance(failure, StorageUnusable):
                raise failure from error
        else:
            connection.terminate()

    async def run(self, hear: Callable[[str], object], begin: Callable[[], object]) -> NoReturn:
        """Calls `hear` with each announcement, and `begin` whenever it has begun to listen. Never returns."""
        now = asyncio.get_running_loop().time
        while True:
            begun = now()
            try:
                await self._listen(hear, begin)
            except (*DRIVER_ERRORS, ValueError) as error:
                self._tell_once(at_opening(error, shown(self._url)))
            if now() - begun < _PAUSE:
                await asyncio.sleep(_PAUSE)

    async def _listen(self, hear: Callable[[str], object], begin: Callable[[], object]) -> NoReturn:
        """Raises an error of the driver's when the connection is lost."""

        def hear_payload(_connection: object, _pid: int, _channel: str, payload: object) -> None:
            hear(str(payload))

        connection = await self._connected()
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            async with asyncio.timeout(_HEARTBEAT):
                await connection.add_listener(CHANNEL, hear_payload)
            self._is_lost = False
            _log.info("hears what other servers store", url=shown(self._url))
            begin()
            while not lost.is_set():
                await self._stands(connection, lost)
        finally:
            connection.terminate()  # a server that is paused would not say goodbye
        raise ConnectionResetError(errno.ECONNRESET, "the connection was closed")

    async def _connected(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await connect(**connect_arguments(self._url, self._options))

    async def _stands(self, connection: Any, lost: asyncio.Event) -> None:
        """Waits a while; raises if the connection does not answer then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEARTBEAT):
                await lost.wait()
                return
        await connection.execute("SELECT", timeout=_HEARTBEAT)

    def _tell_once(self, error: StorageError) -> None:
        if not self._is_lost:
            self._is_lost = True
            _log.warning("does not hear what other servers store, and looks once a second", error=str(error))
