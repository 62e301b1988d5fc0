"""Asks the store now and then whether it answers, so that no health check has to."""

import asyncio

from routeguide.server.readiness import Readiness
from routeguide.storage.base import Storage


class StorageProbe:
    """Keeps the readiness true to the store, to within `interval` + `timeout` seconds."""

    def __init__(self, storage: Storage, readiness: Readiness, *, interval: float, timeout: float) -> None:
        self._storage = storage
        self._readiness = readiness
        self._interval = interval
        self._timeout = timeout

    async def watch(self) -> None:
        """Never returns."""
        while True:
            await asyncio.sleep(self._interval)
            cause = await self._failure()
            self._readiness.found_storage(answers=cause is None, cause=cause)

    async def _failure(self) -> BaseException | None:
        try:
            async with asyncio.timeout(self._timeout):
                await self._storage.check()
        except Exception as error:  # noqa: BLE001  # a store that fails in any way is not there
            return error.__cause__ or error
        return None
