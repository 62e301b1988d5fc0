"""What the chain around every call costs: the same server with and without it, in turn."""

from statistics import median

from bench.calls import Call, calls
from bench.load import calls_per_second, generator
from bench.processes import Server, bare, routeguide
from bench.tables import markdown

_ROUNDS = 25


async def chain() -> str:
    """GetFeature, the shortest of calls, with production defaults and without the chain.

    The rate is what counts, the server's own time is what other work on the machine disturbs less.
    """
    (call,) = [each for each in calls() if each.method == "GetFeature"]
    rates: dict[str, list[float]] = {"without": [], "with": []}
    times: dict[str, list[float]] = {"without": [], "with": []}
    async with bare() as without, routeguide("--storage-url", "memory://") as whole:
        for _ in range(_ROUNDS):
            for name, server in (("without", without), ("with", whole)):
                rate, microseconds = await _measured(server, call)
                rates[name].append(rate)
                times[name].append(microseconds)
    rows = [_row("calls/s", rates), _row("µs of the server a call", times)]
    header = ["GetFeature", "without the chain", "with it", "with ÷ without"]
    return f"Load by {generator()}, medians of {_ROUNDS} runs.\n\n{markdown(header, rows)}"


async def _measured(server: Server, call: Call) -> tuple[float, float]:
    before = server.cpu_seconds()
    rate = await calls_per_second(server.address, call)
    return rate, (server.cpu_seconds() - before) / call.count * 1e6


def _row(name: str, figures: dict[str, list[float]]) -> list[str]:
    without, whole = median(figures["without"]), median(figures["with"])
    return [name, f"{without:,.0f}", f"{whole:,.0f}", f"{whole / without:.2f}"]
