"""Reads metrics as Prometheus does."""

import asyncio
import urllib.request
from collections.abc import Sequence

from prometheus_client.parser import text_string_to_metric_families

from routeguide.server.app import RunningServer
from tests.support.wire import DEADLINE

Labels = dict[str, str]


async def fetch(server: RunningServer, path: str = "/metrics", accept: str = "") -> tuple[str, str]:
    """The body at `path` and its media type."""
    url = f"http://127.0.0.1:{server.metrics_port}{path}"
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})

    def read() -> tuple[str, str]:
        with urllib.request.urlopen(request, timeout=DEADLINE) as response:  # noqa: S310  # it is http
            return response.read().decode(), str(response.headers["content-type"])

    return await asyncio.to_thread(read)


async def scrape(server: RunningServer) -> dict[str, list[tuple[Labels, float]]]:
    """Every sample, by its name."""
    text, _ = await fetch(server)
    samples: dict[str, list[tuple[Labels, float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    return samples


def value(samples: Sequence[tuple[Labels, float]], **labels: str) -> float:
    """The one value whose labels are at least `labels`."""
    [found] = [each for its, each in samples if its.items() >= labels.items()]
    return found
