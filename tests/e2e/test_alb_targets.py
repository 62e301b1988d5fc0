"""Who notices what when a target behind the balancer leaves: docs/local-balancer.md has the table.

About 25 seconds; the soak test three minutes.
"""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import pytest

from tests.support.alb import PATIENCE, Alb, alb, target, task
from tests.support.mixed_load import AT_ONCE, MixedLoad
from tests.support.quiet_chats import QuietChats, quiet_chats
from tests.support.server_process import ServerProcess
from tests.support.wire import DEADLINE, Stub, point

pytestmark = pytest.mark.timeout(180)

TIMES = {"drain_delay": "2", "stop_grace": "5"}
"""Seconds; the balancer is told of a replacement before it begins."""
RATE = 300
RECONNECT = "UNAVAILABLE RECONNECT"

DOCUMENTED = {
    f"{rpc}: {status}"
    for rpc in ("list_features", "record_route", "route_chat")
    for status in (
        "UNAVAILABLE: the server is stopping; reconnect",
        "INTERNAL: Internal error from Core",  # grpc.aio puts it over the above where a write fails
    )
}
"""How a stream may end whose client, on a machine that is busy, is slower than the drain delay."""

COSTS = {
    "ok": {"ok"},
    "get_feature": {"UNAVAILABLE"},
    **{rpc: {"INTERNAL", "UNAVAILABLE"} for rpc in ("list_features", "record_route", "route_chat")},
}
"""How calls end that a target which is killed had, or gets before that is noticed."""


@asynccontextmanager
async def loaded(stub: Stub, *, seed: int) -> AsyncGenerator[MixedLoad, None]:
    """All four RPCs, 300 calls a second, while the block runs; at its end all have ended."""
    load = MixedLoad(lambda: stub, rate=RATE, seed=seed)
    running = asyncio.create_task(load.run())
    try:
        yield load
    finally:
        running.cancel()
        await asyncio.wait([running])
        await load.finish()


async def answered(load: MixedLoad, count: int) -> None:
    """Waits until so many calls more have ended well."""
    goal = load.ended["ok"] + count
    async with asyncio.timeout(PATIENCE):
        while load.ended["ok"] < goal:  # noqa: ASYNC110  # it counts, and does not tell
            await asyncio.sleep(0.05)


async def answered_in_a_row(stub: Stub, count: int) -> None:
    """Waits until so many calls are answered, of which every other would go to a target that is gone."""
    row = 0
    async with asyncio.timeout(PATIENCE):
        while row < count:
            try:
                await stub.GetFeature(point(1, 1), timeout=DEADLINE)
            except grpc.aio.AioRpcError:
                row = 0
            else:
                row += 1


async def spoken_on_both(stub: Stub, chats: QuietChats) -> None:
    """One after the other they begin on either target in turn."""
    await chats.begin(stub, 10)
    assert chats.still_open == 10


async def test_nobody_loses_a_call_to_a_target_that_drains(tmp_path: Path) -> None:
    """Its health check alone tells the balancer; its five quiet streams are asked to reconnect."""
    async with (
        task(drain_delay="5", stop_grace="5") as leaving,
        task() as staying,
        alb(tmp_path, target(leaving), target(staying)) as balancer,
        balancer.stub() as stub,
        quiet_chats() as chats,
    ):
        await spoken_on_both(stub, chats)
        async with loaded(stub, seed=1) as load:
            await answered(load, RATE)
            began = time.monotonic()
            leaving.send(signal.SIGTERM)
            await balancer.becomes({target(leaving): False, target(staying): True})
            noticed = time.monotonic() - began
            assert await leaving.exit_code() == 0
            await answered(load, RATE)

        assert noticed < 5, "the delay of the drain"
        assert set(load.ended) <= {"ok"} | DOCUMENTED, load.ended
        assert (chats.ended, chats.still_open) == ({RECONNECT: 5}, 5)


async def test_a_target_that_is_killed_costs_what_it_had_and_what_comes_before_two_checks(
    tmp_path: Path,
) -> None:
    async with (
        task() as killed,
        task() as staying,
        alb(tmp_path, target(killed), target(staying)) as balancer,
        balancer.stub() as stub,
        quiet_chats() as chats,
    ):
        await spoken_on_both(stub, chats)
        async with loaded(stub, seed=2) as load:
            await answered(load, RATE)
            before = load.started
            await killed.stop(signal.SIGKILL)
            await balancer.becomes({target(killed): False, target(staying): True})
            meanwhile = load.started - before
        failed = load.ended.total() - load.ended["ok"]
        await answered_in_a_row(stub, 50)

        assert (chats.ended, chats.still_open) == ({"INTERNAL": 5}, 5)
        assert all(status in COSTS[rpc] for rpc, status in map(rpc_and_status, load.ended)), load.ended
        assert failed <= AT_ONCE + meanwhile


def rpc_and_status(how: str) -> tuple[str, str]:
    """The two first parts of what MixedLoad counts, such as ``get_feature: UNAVAILABLE: it is gone``."""
    rpc, _, rest = how.partition(": ")
    return rpc, rest.partition(": ")[0] or rpc


async def replaced(balancer: Alb, stack: AsyncExitStack, old: list[ServerProcess]) -> list[ServerProcess]:
    """Two new tasks in the place of `old`, as ECS does it: the new serve before the old are told to leave."""
    new = [await stack.enter_async_context(task(**TIMES)) for _ in range(2)]
    await balancer.serve(*map(target, old + new))
    balancer.running.register([target(each) for each in new])
    assert await asyncio.gather(*(each.stop() for each in old)) == [0] * len(old)
    return new


async def replacements(folder: Path, count: int) -> float:
    """Returns how many calls a second were begun meanwhile."""
    async with AsyncExitStack() as stack:
        tasks = [await stack.enter_async_context(task(**TIMES)) for _ in range(2)]
        balancer = await stack.enter_async_context(alb(folder, *map(target, tasks)))
        stub = await stack.enter_async_context(balancer.stub())
        chats = await stack.enter_async_context(quiet_chats())
        began = time.monotonic()
        async with loaded(stub, seed=count) as load:
            for done in range(count):
                await chats.begin(stub, 4)
                tasks = await replaced(balancer, stack, tasks)
                async with asyncio.timeout(PATIENCE):
                    await chats.all_ended()
                assert chats.ended == {RECONNECT: 4 * (done + 1)}
            rate = load.started / (time.monotonic() - began)
        assert set(load.ended) <= {"ok"} | DOCUMENTED, load.ended
        assert load.ended["ok"] > RATE * count
        return rate


@pytest.mark.slow
async def test_three_rolling_replacements_under_load_fail_no_unary_call(tmp_path: Path) -> None:
    print(await replacements(tmp_path, 3), "calls a second")  # noqa: T201  # `pytest -rP` shows it


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_twenty_rolling_replacements_under_load_fail_no_unary_call(tmp_path: Path) -> None:
    assert await replacements(tmp_path, 20) > 0.8 * RATE, "the machine is too busy for the load"
