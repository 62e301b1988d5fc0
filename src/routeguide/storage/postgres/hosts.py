"""Connecting where a URL names several hosts.

The driver asks them one after the other too, but all within one time: a host that is silent, as one that is
gone, would hide those after it.
"""

from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import asyncpg

_NEXT_MAY_DO = (OSError, asyncpg.TargetServerAttributeNotMatched, asyncpg.CannotConnectNowError)
"""The host is not there, is not of the wanted kind, or is starting. A wrong password is wrong everywhere."""


async def connect(dsn: str, *, timeout: float, **arguments: Any) -> "asyncpg.Connection[asyncpg.Record]":  # noqa: ASYNC109  # the driver's, shared out
    """As `asyncpg.connect`; each host of `dsn` has its share of the `timeout`, in seconds.

    Raises what the driver raises, of the last host that was asked.
    """
    *others, last = dsn_of_each_host(dsn)
    share = timeout / (len(others) + 1)
    for each in others:
        with suppress(*_NEXT_MAY_DO):
            return await _connect(each, timeout=share, **arguments)
    return await _connect(last, timeout=share, **arguments)


async def _connect(dsn: str, **arguments: Any) -> "asyncpg.Connection[asyncpg.Record]":
    try:
        return await asyncpg.connect(dsn, **arguments)
    except OverflowError as error:  # the socket's word for a port that is none
        raise ValueError(str(error)) from error


def dsn_of_each_host(dsn: str) -> list[str]:
    """`dsn` itself, unless there are several hosts before its path."""
    netloc = urlsplit(dsn).netloc
    user, at, hosts = netloc.rpartition("@")
    return [dsn.replace(netloc, f"{user}{at}{host}", 1) for host in hosts.split(",")]
