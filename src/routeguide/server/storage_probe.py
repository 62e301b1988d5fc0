"""Asks the store now and then whether it answers, so that no health check has to."""

import asyncio
from contextlib import suppress

from routeguide.errors import StorageBusy, StorageError
from routeguide.server.readiness import Readiness
from routeguide.storage.base import Storage


class StorageProbe:
    """Keeps the readiness true to the store, to within `interval` + `timeout` seconds."""

    def __init__(self, storage: Storage, readiness: Readiness, *, interval: float, timeout: float) -> None:
        """
        Args:
            interval: seconds between an answer and the next question.
            timeout: seconds after which an answer is not waited for; longer than the store itself waits for
                a lock, or nobody would hear why it does not answer.
        """
        self._storage = storage
        self._readiness = readiness
        self._interval = interval
        self._timeout = timeout

    async def watch(self) -> None:
        """Never returns."""
        while True:
            await asyncio.sleep(self._interval)
            with suppress(StorageBusy):  # whether it would answer is not known then, so nothing has changed
                cause = await self._failure()
                self._readiness.found_storage(answers=cause is None, cause=cause)

    async def _failure(self) -> BaseException | None:
        """What the log is told of a store that is not there; None for one that is. Raises StorageBusy."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._storage.check()
        except StorageBusy:
            raise
        except StorageError as error:
            return error.__cause__ or error
        except TimeoutError:
            return TimeoutError(f"no answer within {self._timeout:g} s")
        except Exception as error:  # noqa: BLE001  # a store that fails in any way is not there
            return error
        return None
