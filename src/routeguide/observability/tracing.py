"""Traces over OTLP: one span for each call, in the trace that the caller began, if it began one.

A span is made when its call has ended: nothing below the server makes spans of its own that would need it as
their parent before.
"""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from routeguide import __version__
from routeguide.observability.calls import ObservedCall
from routeguide.observability.collector import EXPORT_DEADLINE, Reachability, export_in_thread, finish
from routeguide.observability.instruments import CODE, ERROR, METHOD, SYSTEM, is_fault
from routeguide.observability.otlp import resource
from routeguide.observability.peers import peer_attributes
from routeguide.observability.session import ExportSession

_PROPAGATOR = CompositePropagator([AwsXRayPropagator(), TraceContextTextMapPropagator()])
"""The later one wins: W3C's header is the caller's own, X-Ray's may be the balancer's."""


class CallTracer:
    """Makes the spans."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def ended(self, method: str, code: str, seconds: float, call: ObservedCall) -> None:
        name, now, fault = method.removeprefix("/"), time.time_ns(), is_fault(code, call)
        attributes: dict[str, str | int] = {
            **SYSTEM,
            METHOD: name,
            CODE: code,
            **peer_attributes(call.peer),
            "routeguide.request_id": call.request_id,
            "routeguide.messages.received": call.received,
            "routeguide.messages.sent": call.sent,
        }
        if fault:
            attributes[ERROR] = code
        span = self._tracer.start_span(
            name,
            context=_PROPAGATOR.extract(call, getter=_HEADERS),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=now - int(seconds * 1e9),
        )
        if fault:
            span.set_status(StatusCode.ERROR)
        span.end(now)


@asynccontextmanager
async def exported_traces(endpoint: str, ratio: float) -> AsyncGenerator[CallTracer, None]:
    """Exports spans in batches inside the block, and what is left at its end.

    Args:
        ratio: the share of calls that are traced where the caller has not decided it.
    """
    exporter = _Exporter(f"{endpoint}/v1/traces")
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(ratio)), resource=resource(), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield CallTracer(provider.get_tracer("routeguide", __version__))
    finally:
        await finish(export_in_thread(provider.shutdown), exporter.shutdown)


class _Exporter(SpanExporter):
    """Says whether the collector can be reached. It may be shut down twice: by who waits, and by the SDK."""

    def __init__(self, url: str) -> None:
        self._session = ExportSession()
        self._exporter = OTLPSpanExporter(endpoint=url, timeout=EXPORT_DEADLINE, session=self._session)
        self._reachability = Reachability("traces")
        self._is_open = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if not self._is_open:
            return SpanExportResult.FAILURE
        result = self._exporter.export(spans)
        self._reachability.note(result is SpanExportResult.SUCCESS, self._session.reason)
        return result

    def shutdown(self) -> None:
        was_open, self._is_open = self._is_open, False
        if was_open:
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # it is, in the library


class _Headers(Getter[ObservedCall]):
    """Reads a call's headers for the propagators; gRPC has their names in lower case."""

    def get(self, carrier: ObservedCall, key: str) -> list[str] | None:
        value = carrier.header(key.lower())
        return None if value is None else [value]

    def keys(self, carrier: ObservedCall) -> list[str]:
        return []  # only propagators that look for unknown headers ask for them, and these two do not


_HEADERS = _Headers()
