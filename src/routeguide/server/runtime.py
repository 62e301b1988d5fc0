"""The process that a server runs in: uvloop, and levers against the cost of handing events between threads.

grpc's core thread puts each event in a queue and wakes the event loop, once an event. Most of the time of a
small call goes into those wake-ups, so both levers make them cheaper; `docs/performance.md` has the figures.
"""

import asyncio
import gc
import os
import resource
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

import grpc
import structlog
import uvloop

from routeguide.settings import Settings

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")

_log = structlog.get_logger(__name__)


def run(main: Callable[[], Coroutine[Any, Any, _Result]], *, settings: Settings) -> _Result:
    """Runs `main` to its end. Call it once, before anything of `grpc.aio` exists in the process."""
    if settings.batch_scheduling:
        ask_for_batch_scheduling()
    if settings.fast_delivery:
        deliver_without_socket()
    _allow_more_files()
    _collect_less_often()
    return uvloop.run(main())


def ask_for_batch_scheduling() -> bool:
    """Asks Linux not to let the thread that wakes another be preempted by it at once; whether it does.

    Must come before grpc starts its threads, which inherit the policy. It needs no privilege; a container's
    seccomp profile may forbid it all the same, and other systems do not have it.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except (AttributeError, OSError) as error:
        _log.info("no batch scheduling", cause=repr(error))
        return False
    return True


def deliver_without_socket() -> None:
    """Makes grpc deliver its events through `call_soon_threadsafe` for the rest of the process.

    Ordinarily grpc writes a byte to a socket for each event and the loop reads it back. Where a loop cannot
    watch file descriptors, as Windows' Proactor loop cannot, grpc calls `call_soon_threadsafe` instead, which
    uvloop coalesces. Which way it goes is settled for the process when grpc meets a loop that refuses
    `add_reader`, so it is shown one here. Should a release settle it otherwise, the ordinary way remains.
    """
    loop = _LoopThatWatchesNoFiles()
    try:
        loop.run_until_complete(_meet_grpc())
    finally:
        loop.close()


class _LoopThatWatchesNoFiles(asyncio.SelectorEventLoop):
    refuses = False

    def add_reader(self, fd: Any, callback: Callable[[*_Arguments], Any], *args: *_Arguments) -> None:
        if self.refuses:
            raise NotImplementedError  # as a loop without that ability does
        super().add_reader(fd, callback, *args)


async def _meet_grpc() -> None:
    """Creates a server that never starts: grpc binds its queue to the loop in doing so."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _LoopThatWatchesNoFiles)  # noqa: S101  # the only loop that runs this; tells mypy so
    loop.refuses = True
    await grpc.aio.server().stop(None)


def keep_for_good() -> None:
    """Spares the garbage collector what there is now, because it lives as long as the process.

    A full collection holds the event loop up for as long as it takes to look through everything: 0.8 s for a
    million features in memory. This takes microseconds.
    """
    gc.freeze()


def _allow_more_files() -> None:
    """Every connection is an open file, and without one more not even a health check gets in.

    The soft limit is often 1024, for programs that use select(2); the hard one is what is granted.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # where "unlimited" is more than the system has
        _log.info("no more files than before", soft=soft, hard=hard, cause=repr(error))


def _collect_less_often() -> None:
    """Every call leaves a few cycles behind, so the collector stays on, but has less to look through."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
