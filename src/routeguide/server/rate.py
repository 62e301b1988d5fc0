"""How often each client may call: a token bucket for every one of them.

A bucket is kept as one number, the time at which it will be full again (the generic cell rate algorithm): a
call is admitted if that is less than `burst` calls away, and moves it one call further. A bucket that is full
is as good as none, so those of clients that have gone are forgotten.
"""

import socket
from collections import OrderedDict
from collections.abc import Sequence
from urllib.parse import unquote

MAX_CLIENTS = 65_536
"""Clients that are told apart at the same time; they take about 200 bytes each."""

_TIDIED = 2
"""Buckets that each new client has looked at: more than one, so that there are fewer and fewer to forget."""

_LONGEST_ADDRESS = 64
_MAPPED = b"\x00" * 10 + b"\xff\xff"
"""How an IPv4 address begins when it is written as one of IPv6."""

_NOBODY = "unknown"


class RateLimiter:
    """Admits `burst` calls of a client at once and `rate_per_second` from then on. Not for several threads.

    However many clients there are, each makes at most burst + rate × t calls in t seconds. While
    `max_clients` have buckets that are not full, all others share a single one: memory stays bounded, and no
    crowd makes the limiter forget what anybody has used. (Who gets its own bucket after that may use its
    burst once more.)
    """

    def __init__(self, rate_per_second: float, burst: int, max_clients: int = MAX_CLIENTS) -> None:
        """
        Args:
            rate_per_second: above 0.
            burst: at least 1.
            max_clients: at least 1.
        """
        self._interval = 1.0 / rate_per_second
        self._tolerance = (burst - 1) * self._interval
        self._max_clients = max_clients
        self._full_at: OrderedDict[str, float] = OrderedDict()  # the one admitted longest ago comes first
        self._crowd_full_at = float("-inf")

    def __len__(self) -> int:
        """How many buckets are kept."""
        return len(self._full_at)

    def retry_after(self, client: str, now: float) -> float | None:
        """None if `client` may call now, which then counts; else the seconds until it may.

        `now` is in seconds on a clock that never goes back.
        """
        full_at = self._full_at.get(client)
        if full_at is None:
            return self._newcomer(client, now)
        wait = full_at - now - self._tolerance
        if wait > 0:
            return wait
        self._full_at[client] = max(full_at, now) + self._interval
        self._full_at.move_to_end(client)
        return None

    def _newcomer(self, client: str, now: float) -> float | None:
        self._forget_full(now)
        if len(self._full_at) < self._max_clients:
            self._full_at[client] = now + self._interval
            return None
        wait = self._crowd_full_at - now - self._tolerance
        if wait > 0:
            return wait
        self._crowd_full_at = max(self._crowd_full_at, now) + self._interval
        return None

    def _forget_full(self, now: float) -> None:
        """Forgets the buckets of those admitted longest ago, if they are full by now: a few each time."""
        for _ in range(_TIDIED):
            oldest = next(iter(self._full_at.items()), None)
            if oldest is None or oldest[1] > now:
                return
            del self._full_at[oldest[0]]


def client_of(peer: str, forwarded_for: Sequence[str] | None = None) -> str:
    """Who calls: an IPv4 address, or the /64 of an IPv6 address, which is what one subscriber has.

    Args:
        peer: as grpc writes it: ipv4:192.0.2.1:50051, ipv6:%5B2001:db8::1%5D:50051, unix:/path.
        forwarded_for: the values of X-Forwarded-For where a balancer is trusted to write it, else None.
            The balancer appends the address that it saw to whatever the client had sent, so the last entry
            is its own and every other may be invented. Where that is none, the peer counts: the balancer.
    """
    if forwarded_for:
        client = _address(forwarded_for[-1].rpartition(",")[2].strip())
        if client is not None:
            return client
    kind, _, rest = peer.partition(":")
    if kind.startswith("unix"):
        return "unix"
    return _address(unquote(rest)) or _NOBODY


def _address(text: str) -> str | None:
    """The client in 192.0.2.1, 192.0.2.1:443, 2001:db8::1 or [2001:db8::1%eth0]:443; None if it is none."""
    if len(text) > _LONGEST_ADDRESS:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        if ":" in text:
            return _network(socket.inet_pton(socket.AF_INET6, text.partition("%")[0]))
        socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return None
    return text


def _network(address: bytes) -> str:
    if address.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, address[len(_MAPPED) :])
    return socket.inet_ntop(socket.AF_INET6, address[:8] + bytes(8)) + "/64"
