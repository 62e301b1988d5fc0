"""Calls per second of the four RPCs, always beside those of an empty server in the same minutes."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
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
_MEMORY = ("--storage-url", "memory://")


async def throughput() -> str:
    """Each backend."""
    with TemporaryDirectory() as folder:
        return await compare(
            {
                "sqlite": ("--storage-url", f"sqlite:///{folder}/bench.db"),
                "memory": _MEMORY,
            }
        )


async def levers() -> str:
    """The levers of `routeguide.server.runtime`, each pulled and not pulled."""
    return await compare(
        {
            "both": _MEMORY,
            "no fast delivery": (*_MEMORY, "--no-fast-delivery"),
            "no batch scheduling": (*_MEMORY, "--no-batch-scheduling"),
            "neither": (*_MEMORY, "--no-fast-delivery", "--no-batch-scheduling"),
        }
    )


async def compare(flags: Mapping[str, Sequence[str]]) -> str:
    """The medians of interleaved runs: whatever slows the machine for a while slows all servers alike."""
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    async with _servers(flags) as servers:
        for _ in range(_ROUNDS):
            for call in calls():
                for name, server in servers.items():
                    rates[call.method, name].append(await calls_per_second(server.address, call))
    rows = [
        _row(call.method, {name: median(rates[call.method, name]) for name in servers}) for call in calls()
    ]
    header = ["calls/s", "floor", *flags, *(f"{name} ÷ floor" for name in flags)]
    return f"Load by {generator()}, medians of {_ROUNDS} runs.\n\n{markdown(header, rows)}"


def _row(method: str, rates: Mapping[str, float]) -> list[str]:
    ratios = [f"{rate / rates['floor']:.2f}" for name, rate in rates.items() if name != "floor"]
    return [method, *(f"{rate:,.0f}" for rate in rates.values()), *ratios]


@asynccontextmanager
async def _servers(flags: Mapping[str, Sequence[str]]) -> AsyncGenerator[dict[str, Server], None]:
    """The floor and one server for each set of flags, all at once; only one at a time has anything to do."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        # One note a location, so that a chat is answered by as many notes as it sends, run after run.
        common = ("--seed-features", str(write(folder, 100)), "--notes-per-location", "1")
        servers = {"floor": await stack.enter_async_context(floor())}
        for name, own in flags.items():
            servers[name] = await stack.enter_async_context(routeguide(*common, *own))
        yield servers
