"""What a collector is sent."""

from collections.abc import AsyncGenerator

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from routeguide.observability.instruments import NOTES, READY
from routeguide.observability.metrics import Metrics
from routeguide.observability.otlp import exported_metrics
from routeguide.observability.tracing import exported_traces
from routeguide.pb.route_guide_pb2_grpc import RouteGuideStub
from routeguide.server.app import serving
from routeguide.settings import Settings
from tests.conftest import OpenChannel, StartServer
from tests.support.collector import Collector, attributes, collecting
from tests.support.wire import DEADLINE, Stub, drained, failure, note, point
from tests.unit.test_metrics import GET_FEATURE, EndedCall

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Collector, None]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")  # milliseconds between two batches of spans
    async with collecting() as running:
        yield running


async def test_metrics_arrive(
    collector: Collector, start_server: StartServer, open_channel: OpenChannel
) -> None:
    server = await start_server(otlp_endpoint=collector.endpoint, otlp_interval=0.1)
    stub: Stub = RouteGuideStub(open_channel(server))
    await stub.GetFeature(point(1, 1), timeout=DEADLINE)
    await failure(stub.GetFeature(point(2_000_000_000, 0), timeout=DEADLINE))

    names = ("rpc.server.call.duration", "routeguide.notes", "routeguide.ready")
    await collector.metrics(*names)  # it may have been begun before the calls had ended
    metrics = await collector.metrics(*names)

    assert collector.resource["service.name"] == "routeguide"
    duration = metrics["rpc.server.call.duration"]
    assert duration.unit == "s"
    points = {
        attributes(each.attributes)["rpc.response.status_code"]: each
        for each in duration.histogram.data_points
    }
    assert points.keys() == {"OK", "INVALID_ARGUMENT"}
    assert attributes(points["OK"].attributes) == {
        "rpc.system.name": "grpc",
        "rpc.method": "routeguide.RouteGuide/GetFeature",
        "rpc.response.status_code": "OK",
    }
    assert points["OK"].count == sum(points["OK"].bucket_counts) == 1
    assert len(points["OK"].bucket_counts) == len(points["OK"].explicit_bounds) + 1
    assert points["OK"].start_time_unix_nano < points["OK"].time_unix_nano
    [shed, _] = metrics["routeguide.calls.shed"].sum.data_points
    assert shed.as_double == 0
    [ready] = metrics["routeguide.ready"].gauge.data_points
    assert ready.as_double == 1


async def test_last_metrics_are_sent_when_the_server_ends(collector: Collector) -> None:
    settings = Settings(
        listen="localhost:0", storage_url="memory://", stop_grace=0, otlp_endpoint=f"{collector.endpoint}/"
    )
    async with serving(settings):
        assert not collector.exports

    [export] = collector.exports
    [ready] = export["routeguide.ready"].gauge.data_points
    assert ready.as_double == 0


async def spans_of(
    collector: Collector, start_server: StartServer, open_channel: OpenChannel, *headers: tuple[str, str]
) -> list[Span]:
    """The spans of a call that ends well and of one that does not, in that order."""
    server = await start_server(otlp_endpoint=collector.endpoint, traces=True)
    stub: Stub = RouteGuideStub(open_channel(server))
    notes = iter([note(1, 1, "a"), note(1, 1, "b")])
    await drained(stub.RouteChat(notes, timeout=DEADLINE, metadata=headers))
    await failure(stub.GetFeature(point(2_000_000_000, 0), timeout=DEADLINE, metadata=headers))
    return sorted(await collector.span(2), key=lambda span: span.start_time_unix_nano)


async def test_span_of_a_call(
    collector: Collector, start_server: StartServer, open_channel: OpenChannel
) -> None:
    span, failed = await spans_of(collector, start_server, open_channel, ("x-request-id", "mine"))

    assert span.name == "routeguide.RouteGuide/RouteChat"
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.start_time_unix_nano < span.end_time_unix_nano
    found = attributes(span.attributes)
    assert found.pop("network.peer.address") in {"127.0.0.1", "::1"}
    assert 0 < found.pop("network.peer.port") < 65_536
    assert found == {
        "rpc.system.name": "grpc",
        "rpc.method": "routeguide.RouteGuide/RouteChat",
        "rpc.response.status_code": "OK",
        "routeguide.request_id": "mine",
        "routeguide.messages.received": 2,
        "routeguide.messages.sent": 1,
    }
    assert attributes(failed.attributes)["rpc.response.status_code"] == "INVALID_ARGUMENT"
    assert failed.status.code == Status.STATUS_CODE_UNSET  # it is the client's fault
    assert span.trace_id != failed.trace_id
    assert not span.parent_span_id


@pytest.mark.parametrize(
    "headers",
    [
        [("traceparent", f"00-{TRACE}-{PARENT}-01")],
        [("x-amzn-trace-id", f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={PARENT};Sampled=1")],
        [
            ("x-amzn-trace-id", "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1"),
            ("traceparent", f"00-{TRACE}-{PARENT}-01"),
        ],
    ],
    ids=["W3C", "X-Ray", "both"],
)
async def test_span_continues_the_callers_trace(
    collector: Collector,
    start_server: StartServer,
    open_channel: OpenChannel,
    headers: list[tuple[str, str]],
) -> None:
    for span in await spans_of(collector, start_server, open_channel, *headers):
        assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)


async def test_balancers_root_is_no_parent(
    collector: Collector, start_server: StartServer, open_channel: OpenChannel
) -> None:
    """It names no span; the request id tells of it."""
    root = "Root=1-67891233-abcdef012345678912345678"
    span, _ = await spans_of(collector, start_server, open_channel, ("x-amzn-trace-id", root))

    assert not span.parent_span_id
    assert attributes(span.attributes)["routeguide.request_id"] == root


async def test_caller_may_decide_that_nothing_is_traced(
    collector: Collector, start_server: StartServer, open_channel: OpenChannel
) -> None:
    server = await start_server(otlp_endpoint=collector.endpoint, traces=True)
    stub: Stub = RouteGuideStub(open_channel(server))
    unsampled = (("traceparent", f"00-{TRACE}-{PARENT}-00"),)
    await stub.GetFeature(point(1, 1), timeout=DEADLINE, metadata=unsampled)
    await stub.GetFeature(point(1, 1), timeout=DEADLINE)

    [span] = await collector.span()
    assert span.trace_id.hex() != TRACE


async def test_faults_of_the_server_are_errors(collector: Collector) -> None:
    async with exported_traces(collector.endpoint, 1.0) as tracer:
        tracer.ended(GET_FEATURE, "INTERNAL", 1.5, EndedCall())

    [span] = await collector.span()
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span.attributes)["error.type"] == "INTERNAL"
    assert span.end_time_unix_nano - span.start_time_unix_nano == 1_500_000_000


async def test_ratio_of_nothing_traces_nothing(collector: Collector) -> None:
    async with exported_traces(collector.endpoint, 0.0) as tracer:
        tracer.ended(GET_FEATURE, "OK", 1.5, EndedCall())

    assert not collector.spans


async def test_failure_of_a_reading_stops_no_exports(collector: Collector) -> None:
    metrics = Metrics()

    def unforeseen() -> float:
        raise ValueError("nobody thought of it")

    metrics.watch(NOTES, unforeseen)
    metrics.watch(READY, lambda: 1.0)
    async with exported_metrics(metrics, collector.endpoint, 0.05):
        for _ in range(2):
            assert NOTES.name not in await collector.metrics(READY.name)
