"""The levers on the event loop: that they pull, and that the server works without them."""

import asyncio
import os
import subprocess
import sys

import grpc
import pytest

from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from tests.conftest import CHANNEL_OPTIONS
from tests.support.server_process import server_process
from tests.support.wire import DEADLINE, Stub, drained, note, point

COUNTS_WAKE_UPS = """
import asyncio, sys
import grpc
from routeguide.server import runtime

class Loop(asyncio.SelectorEventLoop):
    wake_ups = 0

    def add_reader(self, fd, callback, *args):
        def counted(*args):
            Loop.wake_ups += 1
            return callback(*args)
        super().add_reader(fd, counted, *args)

async def echo(request, context):
    return request

async def main():
    server = grpc.aio.server()
    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", handlers),))
    port = server.add_insecure_port("localhost:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"localhost:{port}") as channel:
        for _ in range(20):
            assert await channel.unary_unary("/test.Test/Echo")(b"x", timeout=10) == b"x"
    await server.stop(None)

if sys.argv[1] == "fast":
    runtime.deliver_without_socket()
with asyncio.Runner(loop_factory=Loop) as runner:
    runner.run(main())
print(Loop.wake_ups)
"""


def wake_ups(delivery: str) -> int:
    """How often grpc's socket woke the loop for 20 calls; each has four events at the least."""
    printed = subprocess.run(
        [sys.executable, "-W", "error", "-c", COUNTS_WAKE_UPS, delivery],
        check=True,
        capture_output=True,
        timeout=60,
        text=True,
    )
    return int(printed.stdout)


def test_fast_delivery_leaves_the_socket_alone() -> None:
    """Fails when a release of grpc settles its way of delivering otherwise: the lever would do nothing."""
    assert wake_ups("ordinary") >= 80
    assert wake_ups("fast") == 0


@pytest.mark.parametrize("levers", ["true", "false"])
async def test_server_works_with_and_without_the_levers(levers: str) -> None:
    async with server_process(
        storage_url="memory://", fast_delivery=levers, batch_scheduling=levers
    ) as server:
        async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
            stub: Stub = RouteGuideStub(channel)
            answers = await asyncio.gather(
                *(stub.GetFeature(point(i, i), timeout=DEADLINE) for i in range(200)),
                *(drained(stub.RouteChat(iter([note(i, 0, "x")] * 5), timeout=DEADLINE)) for i in range(20)),
            )
            assert len(answers) == 220
        if sys.platform == "linux" and levers == "true":
            assert os.sched_getscheduler(server.pid) == os.SCHED_BATCH
        assert await server.stop() == 0
