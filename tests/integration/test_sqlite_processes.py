"""Several processes at one SQLite file, and processes that die."""

import asyncio
import itertools
import json
import os
import sqlite3
import subprocess
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from routeguide.domain.models import Point, RouteNote
from routeguide.storage.base import Storage
from routeguide.storage.sqlite.connection import DatabaseFile
from routeguide.storage.sqlite.storage import open_sqlite
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used
from tests.support.sqlite_processes import KEEPS_ALL, PLACES, posting
from tests.support.wire import DEADLINE

Acknowledgement = tuple[int, str, list[str]]


async def opened(path: Path) -> Storage:
    return await open_sqlite(DatabaseFile(path, timeout=5), retention=KEEPS_ALL)


def acknowledgements(lines: list[str]) -> list[Acknowledgement]:
    """A process that was killed may have left half a line, which acknowledges nothing."""
    return [tuple(json.loads(line)) for line in lines if line.endswith("\n")]


def start(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_of_two_notes_from_different_processes_exactly_one_writer_sees_the_others(tmp_path: Path) -> None:
    given_to: dict[int, dict[str, list[str]]] = defaultdict(dict)
    with ExitStack() as stack:
        writers = [stack.enter_context(posting(tmp_path / "notes.db", name, 120)) for name in "abc"]
        for writer in writers:
            start(writer)
        for writer in writers:
            output, _ = writer.communicate(timeout=30)
            for place, message, replies in acknowledgements(output.splitlines(keepends=True)):
                given_to[place][message] = replies
    assert sum(map(len, given_to.values())) == 3 * 120
    for replies_at_place in given_to.values():
        order = sorted(replies_at_place, key=lambda message: len(replies_at_place[message]))
        assert len({message.split(".")[0] for message in order}) == 3
        for place, message in enumerate(order):
            assert replies_at_place[message] == order[:place]


async def test_every_acknowledged_note_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    acknowledged: set[str] = set()
    for round_ in range(3):
        with posting(path, f"round{round_}", 100_000) as writer:
            start(writer)
            assert writer.stdout is not None
            lines = list(itertools.islice(writer.stdout, 50 + 13 * round_))
            writer.kill()
            lines += list(writer.stdout)
        acknowledged |= {message for _, message, _ in acknowledgements(lines)}
        store = await opened(path)
        replies = [await store.notes.post(RouteNote(Point(0, place), "alive")) for place in range(PLACES)]
        await store.close()
        assert acknowledged <= {note.message for reply in replies for note in reply}
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        kept, total = connection.execute(
            "SELECT (SELECT kept FROM note_count), count(*) FROM note"
        ).fetchone()
        assert kept == total
    connection.close()


async def test_several_that_start_together_on_a_new_file_all_start(tmp_path: Path) -> None:
    for round_ in range(10):
        path = tmp_path / str(round_) / "new.db"
        stores = await asyncio.gather(*(opened(path) for _ in range(6)))
        for store in stores:
            await store.close()


async def test_a_store_that_was_closed_is_one_file(tmp_path: Path) -> None:
    store = await opened(tmp_path / "notes.db")
    await store.notes.post(RouteNote(Point(0, 0), "in the log until the store is closed"))
    await store.close()
    assert os.listdir(tmp_path) == ["notes.db"]  # noqa: PTH208  # not a Path, which would seem to block


async def test_a_process_that_cannot_get_the_lock_does_not_hold_up_one_that_has_it(tmp_path: Path) -> None:
    one, other = await opened(tmp_path / "notes.db"), await opened(tmp_path / "notes.db")
    posts = [store.notes.post(RouteNote(Point(0, 0), "")) for store in (one, other) for _ in range(50)]
    async with asyncio.timeout(DEADLINE):
        replies = await asyncio.gather(*posts)
    assert sorted(map(len, replies)) == list(range(100))
    await one.close()
    await other.close()


def test_half_a_line_acknowledges_nothing() -> None:
    assert acknowledgements(['[0, "a", []]\n', '[0, "b']) == [(0, "a", [])]
