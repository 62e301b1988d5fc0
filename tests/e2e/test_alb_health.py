"""The local balancer's health checks: by grpc-status, with the matcher and thresholds of an ALB."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alb.matcher import Matcher
from tests.support.alb import QUICK, alb
from tests.support.scripted_target import scripted_target, stepped_target
from tests.support.wire import DEADLINE

UNREACHABLE = ("127.0.0.1", 1)
"""Nobody listens on such a port."""


@pytest.mark.parametrize(
    ("matcher", "passing", "failing"),
    [("12", 12, 0), ("0,12", 0, 14), ("0,10-13", 11, 14), ("0-99", 14, None)],
)
async def test_the_matcher_decides(tmp_path: Path, matcher: str, passing: int, failing: int | None) -> None:
    """Of a target that cannot be reached no matcher is content: its status would be the balancer's own."""
    health = replace(QUICK, matcher=Matcher(matcher))
    other = passing if failing is None else failing
    async with (
        scripted_target(passing) as well,
        scripted_target(other) as unwell,
        alb(tmp_path, well.target, health=health) as balancer,
    ):
        balancer.running.register([well.target, unwell.target, UNREACHABLE])
        seen = {well.target: True, unwell.target: failing is None, UNREACHABLE: False}
        await balancer.becomes(seen)


async def test_thresholds_count_in_a_row_and_each_check_has_its_own_connection(tmp_path: Path) -> None:
    health = replace(QUICK, timeout=DEADLINE, unhealthy_threshold=3, healthy_threshold=2)
    async with stepped_target() as stepped, alb(tmp_path, health=health) as balancer:
        balancer.running.register([stepped.target])
        for code, well in [
            (12, True),  # one pass is enough for a new target
            *[(14, True), (14, True), (12, True)],
            *[(14, True), (14, True), (14, False)],
            *[(12, False), (14, False), (12, False), (12, True)],
        ]:
            await stepped.answer(code)
            assert await balancer.running.health() == {stepped.target: well}, stepped.checks

    assert len(set(stepped.clients)) == len(stepped.clients) == 11


async def test_calls_go_to_all_when_no_target_is_well(tmp_path: Path) -> None:
    async with (
        scripted_target(14) as one,
        scripted_target(14) as other,
        alb(tmp_path) as balancer,
        balancer.channel() as channel,
    ):
        balancer.running.register([one.target, other.target])
        await balancer.becomes({one.target: False, other.target: False})
        call: Any = channel.unary_unary("/any/Call")
        for _ in range(10):
            assert await call(b"", timeout=DEADLINE) == b""

    assert one.metadata
    assert other.metadata
    assert len(one.metadata) + len(other.metadata) == 10


async def test_a_check_is_what_an_alb_sends(tmp_path: Path) -> None:
    """A path of one's own, as a call of gRPC; the target need not know that it is checked."""
    health = replace(QUICK, path="/grpc.health.v1.Health/Check", matcher=Matcher("0"))
    async with scripted_target(12) as scripted, alb(tmp_path, scripted.target, health=health):
        check = scripted.metadata[0]

    assert check["user-agent"].startswith("ELB-HealthChecker/2.0")
