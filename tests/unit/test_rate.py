"""How many calls of one client are admitted, and who one client is."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeguide.server.rate import RateLimiter, client_of

RATES = st.floats(min_value=0.01, max_value=10_000)
BURSTS = st.integers(min_value=1, max_value=20)
PAUSES = st.lists(st.floats(min_value=0, max_value=3), max_size=200)
CLIENTS = st.sampled_from("abcdefgh")


def test_burst_then_rate() -> None:
    limiter = RateLimiter(rate_per_second=2, burst=3)

    assert [limiter.retry_after("a", 100.0) for _ in range(4)] == [None, None, None, 0.5]
    assert limiter.retry_after("a", 100.25) == 0.25
    assert limiter.retry_after("b", 100.25) is None
    assert [limiter.retry_after("a", 100.5) for _ in range(2)] == [None, 0.5]
    assert [limiter.retry_after("a", 1000.0) for _ in range(4)] == [None, None, None, 0.5]


@given(RATES, BURSTS, PAUSES)
def test_never_more_than_burst_and_rate_in_any_span(rate: float, burst: int, pauses: list[float]) -> None:
    limiter = RateLimiter(rate, burst)
    times = [now for now in itertools.accumulate(pauses) if limiter.retry_after("a", now) is None]

    for first, last in itertools.combinations(range(len(times)), 2):
        assert last - first + 1 <= burst + rate * (times[last] - times[first]) + 1e-6


@given(RATES, BURSTS, PAUSES)
def test_admits_as_much_as_a_bucket_of_tokens(rate: float, burst: int, pauses: list[float]) -> None:
    """As the textbook has it; where that is within rounding of a whole token, either answer is right."""
    limiter = RateLimiter(rate, burst)
    tokens, before = float(burst), 0.0
    for now in itertools.accumulate(pauses):
        tokens = min(burst, tokens + (now - before) * rate)
        before = now
        admitted = limiter.retry_after("a", now) is None
        assert admitted is (tokens >= 1) or abs(tokens - 1) < 1e-6
        tokens -= admitted


@given(RATES, BURSTS, PAUSES)
def test_who_waits_as_told_is_admitted(rate: float, burst: int, pauses: list[float]) -> None:
    limiter = RateLimiter(rate, burst)
    now = 0.0
    for pause in pauses:
        now += pause
        wait = limiter.retry_after("a", now)
        if wait is not None:
            assert 0 < wait <= 1 / rate + 1e-9
            now += wait + 1e-9
            assert limiter.retry_after("a", now) is None


@given(RATES, BURSTS, st.lists(st.tuples(CLIENTS, st.floats(0, 1)), max_size=200), st.integers(1, 4))
def test_memory_is_bounded_and_every_client_too(
    rate: float, burst: int, calls: list[tuple[str, float]], max_clients: int
) -> None:
    """With more clients than may be told apart, still none gets more than its own share."""
    limiter = RateLimiter(rate, burst, max_clients)
    now, admitted = 0.0, dict[str, list[float]]()
    for client, pause in calls:
        now += pause
        if limiter.retry_after(client, now) is None:
            admitted.setdefault(client, []).append(now)
        assert len(limiter) <= max_clients

    for times in admitted.values():
        # Twice at most: once while it shared the crowd's bucket, once from its own.
        assert len(times) <= 2 * (burst + rate * (times[-1] - times[0])) + 1e-6


def test_clients_that_went_are_forgotten() -> None:
    limiter = RateLimiter(rate_per_second=10, burst=10, max_clients=1000)
    for number in range(1000):
        assert limiter.retry_after(f"old {number}", 0.0) is None
    for number in range(1100):
        assert limiter.retry_after("new", 10.0 + number) is None
        assert limiter.retry_after(f"new {number}", 10.0 + number) is None

    assert len(limiter) < 10


def test_crowd_shares_a_bucket_and_known_clients_keep_theirs() -> None:
    limiter = RateLimiter(rate_per_second=1, burst=2, max_clients=2)
    assert [limiter.retry_after(client, 0.0) for client in "abcd"] == [None] * 4

    assert limiter.retry_after("e", 0.0) == 1
    assert [limiter.retry_after(client, 0.0) for client in "ab"] == [None] * 2
    assert limiter.retry_after("a", 0.0) == 1
    assert limiter.retry_after("e", 5.0) is None
    assert len(limiter) == 1


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("ipv4:192.0.2.1:50051", "192.0.2.1"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:50051", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2::9]:50051", "2001:db8:1:2::/64"),
        ("ipv6:%5B::1%5D:50051", "::/64"),
        ("ipv6:%5Bfe80::1%25eth0%5D:50051", "fe80::/64"),
        ("ipv6:%5B::ffff:192.0.2.1%5D:50051", "192.0.2.1"),
        ("unix:", "unix"),
        ("unix:/run/routeguide.sock", "unix"),
        ("unix-abstract:routeguide", "unix"),
        ("", "unknown"),
        ("ipv4:", "unknown"),
        ("ipv4:192.0.2.256:1", "unknown"),
        ("ipv4:192.0.2.1\x00:1", "unknown"),
        ("ipv6:%5B", "unknown"),
        ("vsock:3:50051", "unknown"),
    ],
)
def test_peers(peer: str, client: str) -> None:
    assert client_of(peer) == client
    assert client_of(peer, []) == client


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["10.0.0.1, evil, 203.0.113.7"], "203.0.113.7"),
        (["203.0.113.1,203.0.113.7:4711"], "203.0.113.7"),
        (["203.0.113.1", "203.0.113.7"], "203.0.113.7"),
        (["x, 2001:db8:1:2::7"], "2001:db8:1:2::/64"),
        (["x, [2001:db8:1:2::7]:4711"], "2001:db8:1:2::/64"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        ([""], "192.0.2.1"),
        (["203.0.113.7,"], "192.0.2.1"),
        (["203.0.113.7, unknown"], "192.0.2.1"),
        (["203.0.113.7, " + "1" * 10_000], "192.0.2.1"),
    ],
)
def test_last_entry_is_the_balancers(forwarded_for: list[str], client: str) -> None:
    assert client_of("ipv4:192.0.2.1:50051", forwarded_for) == client


@given(st.text(max_size=100), st.lists(st.text(max_size=100), max_size=3))
def test_nothing_is_too_strange(peer: str, forwarded_for: list[str]) -> None:
    assert 0 < len(client_of(peer, forwarded_for)) <= 64


@given(st.ip_addresses(v=6), st.integers(1, 65_535))
def test_any_address_of_a_network_is_the_same_client(address: object, port: int) -> None:
    client = client_of(f"ipv6:%5B{address}%5D:{port}")

    assert client == client_of("ipv4:192.0.2.1:1", [f"192.0.2.2, [{address}]:{port}"])
    assert client == client_of(f"ipv6:[{address}]:1")
