"""Calls per second of the four RPCs on each backend, beside those of an empty server."""

from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.calls import calls
from bench.load import calls_per_second, generator
from bench.processes import Server, floor, routeguide
from bench.synthetic import write
from bench.tables import markdown

_ROUNDS = 5


async def throughput() -> str:
    """The medians of interleaved runs: whatever slows the machine for a while slows all servers alike."""
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    async with _servers() as servers:
        for _ in range(_ROUNDS):
            for call in calls():
                for name, server in servers.items():
                    rates[call.method, name].append(await calls_per_second(server.address, call))
    rows = [
        _row(call.method, {name: median(rates[call.method, name]) for name in servers}) for call in calls()
    ]
    header = ["calls/s", *servers, *(f"{name} ÷ floor" for name in servers if name != "floor")]
    return f"Load by {generator()}, medians of {_ROUNDS} runs.\n\n{markdown(header, rows)}"


def _row(method: str, rates: dict[str, float]) -> list[str]:
    ratios = [f"{rate / rates['floor']:.2f}" for name, rate in rates.items() if name != "floor"]
    return [method, *(f"{rate:,.0f}" for rate in rates.values()), *ratios]


@asynccontextmanager
async def _servers() -> AsyncGenerator[dict[str, Server], None]:
    """All of them at once; only one at a time has anything to do."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        # One note a location, so that a chat is answered by as many notes as it sends, run after run.
        common = ("--seed-features", str(write(folder, 100)), "--notes-per-location", "1")
        sqlite = routeguide("--storage-url", f"sqlite:///{folder}/bench.db", *common)
        memory = routeguide("--storage-url", "memory://", *common)
        yield {
            "floor": await stack.enter_async_context(floor()),
            "sqlite": await stack.enter_async_context(sqlite),
            "memory": await stack.enter_async_context(memory),
        }
