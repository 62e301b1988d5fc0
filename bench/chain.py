"""What the chain around every call costs: the same server with and without it, in turn."""

from statistics import median

from bench.calls import calls
from bench.load import calls_per_second, generator
from bench.processes import bare, routeguide
from bench.tables import markdown

_ROUNDS = 9


async def chain() -> str:
    """GetFeature a second, the shortest of calls, with production defaults and without the chain."""
    (call,) = [each for each in calls() if each.method == "GetFeature"]
    rates: dict[str, list[float]] = {"without": [], "with": []}
    async with bare() as without, routeguide("--storage-url", "memory://") as whole:
        for _ in range(_ROUNDS):
            rates["without"].append(await calls_per_second(without.address, call))
            rates["with"].append(await calls_per_second(whole.address, call))
    bare_rate, whole_rate = median(rates["without"]), median(rates["with"])
    header = ["calls/s", "without the chain", "with it", "with ÷ without"]
    row = [call.method, f"{bare_rate:,.0f}", f"{whole_rate:,.0f}", f"{whole_rate / bare_rate:.2f}"]
    return f"Load by {generator()}, medians of {_ROUNDS} runs.\n\n{markdown(header, [row])}"
