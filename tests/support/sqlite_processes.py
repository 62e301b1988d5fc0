"""Other processes at the same SQLite file: one that holds its lock, one that posts notes.

Run as a program it posts, and prints a line of JSON for each note once it is acknowledged.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from routeguide.domain.models import Point, RouteNote
from routeguide.storage.base import Retention, Storage
from routeguide.storage.sqlite.connection import DatabaseFile
from routeguide.storage.sqlite.storage import open_sqlite

ROOT = Path(__file__).parents[2]
PLACES = 2
KEEPS_ALL = Retention(per_location=10_000)

_STREAMS = 4

_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement).fetchall()
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(database: Path, *statements: str) -> Iterator[None]:
    """Another process has run `statements` on `database` and keeps its connection open."""
    command = [sys.executable, "-c", _LOCK, str(database), *(statements or ("BEGIN IMMEDIATE",))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "locked\n"
            yield
        finally:
            process.kill()


@contextmanager
def posting(database: Path, writer: str, notes: int) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the store open and, once it is sent a line, posts `notes` notes."""
    command = [sys.executable, "-m", "tests.support.sqlite_processes", str(database), writer, str(notes)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


async def _post_all(database: str, writer: str, notes: int) -> None:
    store = await open_sqlite(DatabaseFile(Path(database), timeout=20), retention=KEEPS_ALL)
    print("ready", flush=True)  # noqa: T201  # how the processes talk
    sys.stdin.readline()
    numbers = count()
    try:
        await asyncio.gather(
            *(_post_some(store, writer, numbers, notes // _STREAMS) for _ in range(_STREAMS))
        )
    finally:
        await store.close()


async def _post_some(store: Storage, writer: str, numbers: Iterator[int], notes: int) -> None:
    for _ in range(notes):
        number = next(numbers)
        note = RouteNote(Point(0, number % PLACES), f"{writer}.{number}")
        replies = [reply.message for reply in await store.notes.post(note)]
        print(json.dumps([number % PLACES, note.message, replies]), flush=True)  # noqa: T201  # as above


if __name__ == "__main__":
    asyncio.run(_post_all(sys.argv[1], sys.argv[2], int(sys.argv[3])))
