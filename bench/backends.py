"""SQLite, memory and PostgreSQL side by side, and what a million features cost in PostgreSQL."""

from pathlib import Path
from tempfile import TemporaryDirectory

from bench.postgres import durable_cluster
from bench.scale import bulk_table, measure, times_table
from bench.throughput import compare
from tests.support.unprivileged import Unavailable


async def backends() -> str:
    """Calls per second of each backend in one run, and the scale of PostgreSQL."""
    try:
        return f"{await _throughput()}\n\n{await _scale()}"
    except Unavailable as error:
        return f"Left out: {error}."


async def _throughput() -> str:
    with TemporaryDirectory() as folder, durable_cluster() as cluster:
        return await compare(
            {
                "sqlite": ("--storage-url", f"sqlite:///{Path(folder)}/bench.db"),
                "memory": ("--storage-url", "memory://"),
                "postgres": ("--storage-url", cluster.url),
            }
        )


async def _scale() -> str:
    result = await measure(rounds=40, backends=("postgres",))
    return f"{times_table(result)}\n\n{bulk_table(result)}"
