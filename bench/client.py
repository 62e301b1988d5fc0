"""`python -m bench.client ADDRESS METHOD`: the load where h2load is missing; prints calls per second."""

import asyncio
import sys
import time
from collections.abc import Iterator

import click
import grpc

from bench.calls import CONNECTIONS, STREAMS, Call, calls, perform


async def main(address: str, method: str) -> None:
    call = next(each for each in calls() if each.method == method)
    options = [("grpc.use_local_subchannel_pool", 1)]  # or all channels would share one connection
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(CONNECTIONS)]
    left = iter(range(call.count))
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for channel in channels * STREAMS:
            group.create_task(_keep_calling(channel, call, left))
    click.echo(call.count / (time.perf_counter() - started))
    for channel in channels:
        await channel.close()


async def _keep_calling(channel: grpc.aio.Channel, call: Call, left: Iterator[int]) -> None:
    for _ in left:
        await perform(channel, call)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
