"""Traces of requests, deliveries and webhook calls, by OpenTelemetry: needs the extra `otel`.

Nobody imports this while traces are off. A span tells what the log may hold: ids, names of ours and
outcomes; never an address, a recipient, a word of a message or the text of an error. Where spans go
and how many of them is read by OpenTelemetry's library from its own variables.
"""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Attributes = Mapping[str, str | int]

_FAILED = Status(StatusCode.ERROR)
_PROPAGATOR = TraceContextTextMapPropagator()


class Span:
    """Something that takes time, until `end`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def end(self, attributes: Attributes, *, name: str | None = None, fault: str = "") -> None:
        """It is over. `fault` is a word of ours for what went wrong, if anything did."""
        if name is not None:
            self._span.update_name(name)
        self._span.set_attributes(dict(attributes))
        if fault:
            self._span.set_attribute("error.type", fault)
            self._span.set_status(_FAILED)
        self._span.end()


class Tracing:
    """Starts spans and hands them to a processor of OpenTelemetry's."""

    def __init__(self, processor: SpanProcessor, *, version: str) -> None:
        ours = Resource.create({"service.name": "senderkit", "service.version": version})
        resource = ours.merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("senderkit", version)

    def request(self, method: str, traceparent: str | None) -> Span:
        """A request has come in; `traceparent` is what its caller says of a span of their own."""
        carrier = {} if traceparent is None else {"traceparent": traceparent}
        context = _PROPAGATOR.extract(carrier, context=Context())
        return Span(self._tracer.start_span(method, context, SpanKind.SERVER))

    def call(self, name: str, attributes: Attributes) -> Span:
        """A call to the outside begins."""
        kind = SpanKind.CLIENT
        return Span(self._tracer.start_span(name, Context(), kind, attributes=dict(attributes)))

    def close(self) -> None:
        """Send what waits to be sent, for a few seconds at most."""
        self._provider.shutdown()


def exporting(*, version: str) -> Tracing:
    """Traces that are exported by OTLP over HTTP, in batches and by a thread of their own."""
    return Tracing(BatchSpanProcessor(OTLPSpanExporter()), version=version)
