"""Proof that a test left nothing behind: no task, no thread, no open file."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
async def nothing_leaks(tmp_path: Path) -> AsyncGenerator[None, None]:
    """Import it into a module or a conftest; it is set up first, so it looks after all others have ended."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    yield
    assert asyncio.all_tasks() - {asyncio.current_task()} <= tasks
    assert set(threading.enumerate()) <= threads
    assert not open_files_in(tmp_path)


def open_files_in(folder: Path) -> list[str]:
    """The files in `folder` that this process has open."""
    targets = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            targets.append(str(descriptor.readlink()))
        except FileNotFoundError:
            continue  # the one that listed the folder
    return [target for target in targets if target.startswith(str(folder))]
