"""`python -m bench [throughput] [levers] [chain] [scale] [backends]`: the figures of docs/performance.md."""

import asyncio
import os
import platform
import sys

import click

from bench.backends import backends
from bench.chain import chain
from bench.scale import scale
from bench.throughput import levers, throughput

_PARTS = {
    "throughput": throughput,
    "levers": levers,
    "chain": chain,
    "scale": scale,
    "backends": backends,
}


async def main(names: list[str]) -> None:
    """Measures the parts of these names, all of them if there is none."""
    if unknown := set(names) - set(_PARTS):
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; known are {', '.join(_PARTS)}")
    click.echo(f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}")
    for name in names or _PARTS:
        click.echo(f"\n## {name}\n\n{await _PARTS[name]()}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
