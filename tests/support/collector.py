"""A collector of telemetry: it takes OTLP over HTTP and keeps what arrives."""

import asyncio
import gzip
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import h11
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.wire import DEADLINE


class Collector:
    """What has arrived, oldest first."""

    def __init__(self, status: int) -> None:
        self.endpoint = ""
        self.status = status
        self.spans: list[Span] = []
        self.exports: list[dict[str, Metric]] = []
        """The metrics of each export, by name."""
        self.resource: dict[str, str] = {}
        self._news = asyncio.Condition()

    async def span(self, count: int = 1) -> Sequence[Span]:
        """All spans, once there are `count` of them."""
        await self._until(lambda: len(self.spans) >= count)
        return self.spans

    async def metrics(self, *names: str) -> dict[str, Metric]:
        """The first export from now on that has all of `names`."""
        seen = len(self.exports)

        def found() -> dict[str, Metric] | None:
            return next((each for each in self.exports[seen:] if each.keys() >= set(names)), None)

        await self._until(lambda: found() is not None)
        export = found()
        assert export is not None
        return export

    async def take(self, path: str, body: bytes) -> None:
        if path == "/v1/metrics":
            self._take_metrics(ExportMetricsServiceRequest.FromString(body))
        elif path == "/v1/traces":
            for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resource = attributes(of_resource.resource.attributes)
                for scope in of_resource.scope_spans:
                    self.spans.extend(scope.spans)
        async with self._news:
            self._news.notify_all()

    def _take_metrics(self, request: ExportMetricsServiceRequest) -> None:
        for of_resource in request.resource_metrics:
            self.resource = attributes(of_resource.resource.attributes)
            for scope in of_resource.scope_metrics:
                self.exports.append({metric.name: metric for metric in scope.metrics})

    async def _until(self, is_so: Any) -> None:
        async with asyncio.timeout(DEADLINE), self._news:
            await self._news.wait_for(is_so)


def attributes(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    """Attributes as a dictionary of plain values."""
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in pairs}


@asynccontextmanager
async def collecting(status: int = 200) -> AsyncGenerator[Collector, None]:
    """A collector on a free port, which answers everything with `status`."""
    collector = Collector(status)
    connections: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await _converse(reader, writer, collector)
        finally:
            connections.discard(task)
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    collector.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield collector
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, collector: Collector) -> None:
    connection = h11.Connection(h11.SERVER)
    path, body, compressed = "", b"", False
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65_536))
        elif isinstance(event, h11.Request):
            path, body = event.target.decode(), b""
            compressed = (b"content-encoding", b"gzip") in list(event.headers)
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            await collector.take(path, gzip.decompress(body) if compressed else body)
            response = h11.Response(status_code=collector.status, headers=[("content-length", "0")])
            for part in (response, h11.EndOfMessage()):
                writer.write(connection.send(part) or b"")
            await writer.drain()
            connection.start_next_cycle()
        else:
            return
