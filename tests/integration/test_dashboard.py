"""The dashboard asks only for what a server really shows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from routeguide.server.app import RunningServer
from tests.conftest import CHANNEL_OPTIONS, StartServer
from tests.support.scrape import scrape
from tests.support.wire import DEADLINE, Stub, drained, note, point

DASHBOARD = json.loads((Path(__file__).parents[2] / "deploy/grafana/routeguide.json").read_text())

FROM_PROMETHEUS = {"instance", "job"}
"""Labels that the scraper adds."""

WORDS = {"sum", "by", "rate", "increase", "max", "min", "histogram_quantile", "time", "or", "vector"}
"""Of the query language, as far as the dashboard uses it."""


def queries() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            [(metric, label)] = re.findall(r"^label_values\((\w+), (\w+)\)$", variable["query"])
            yield f"sum by ({label}) ({metric})"


def asked_for(query: str) -> tuple[set[str], set[str]]:
    """The names of the metrics and of the labels in a query."""
    query = re.sub(r'"[^"]*"|\[[^\]]*\]', "", query)
    selectors = re.findall(r"\{([^}]*)\}", query)
    groups = re.findall(r"\bby \(([^)]*)\)", query)
    labels = set(re.findall(r"\w+", " ".join(selectors + groups)))
    rest = re.sub(r"\{[^}]*\}|\bby \([^)]*\)", "", query)
    return set(re.findall(r"\b[a-z_]\w*", rest)) - WORDS, labels


@pytest.fixture
async def busy(start_server: StartServer, tmp_path: Path) -> RunningServer:
    """A server with TLS that has had a call of each kind."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    server = await start_server(
        metrics_listen="127.0.0.1:0",
        tls_cert_file=str(tmp_path / "cert.pem"),
        tls_key_file=str(tmp_path / "key.pem"),
    )
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    async with grpc.aio.secure_channel(server.address, credentials, options=CHANNEL_OPTIONS) as channel:
        stub: Stub = RouteGuideStub(channel)
        await stub.GetFeature(point(1, 1), timeout=DEADLINE)
        await drained(stub.RouteChat(iter([note(1, 1, "a")]), timeout=DEADLINE))
    return server


async def test_every_metric_and_label_exists(busy: RunningServer) -> None:
    samples = await scrape(busy)

    for query in queries():
        metrics, labels = asked_for(query)
        assert metrics, query
        for metric in metrics:
            assert metric in samples, (metric, query)
            assert labels <= samples[metric][0][0].keys() | FROM_PROMETHEUS, (metric, query)


async def test_every_metric_of_ours_is_shown(busy: RunningServer) -> None:
    shown = {metric for query in queries() for metric in asked_for(query)[0]}
    families = {re.sub("_(bucket|count|sum|total)$", "", name) for name in await scrape(busy)}

    assert {name for name in families if name.startswith(("rpc_", "routeguide_"))} <= {
        re.sub("_(bucket|count|sum|total)$", "", name) for name in shown
    }


def test_a_wrong_query_would_be_noticed() -> None:
    query = 'histogram_quantile(0.9, sum by (le, x) (rate(no_such{y=~"$z"}[$__rate_interval]))) - time()'

    assert asked_for(query) == ({"no_such"}, {"le", "x", "y"})


def test_panels_have_places_of_their_own() -> None:
    def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
        at = panel["gridPos"]
        return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}

    places = [cell for panel in DASHBOARD["panels"] for cell in cells(panel)]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) == 23
