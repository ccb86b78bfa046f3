"""Traces: what each span says, that they reach a collector, and that they cost nothing unasked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from senderkit import __version__
from senderkit.errors import Refused
from senderkit.tracing import Tracing
from senderkit.web import create_app
from senderkit.web.runtime import runtime_of
from tests.conftest import RegisterProvider, make_settings
from tests.fakes import free_port
from tests.fakes_http import Answer
from tests.fakes_http import FakeProvider as Collector
from tests.make import FakeClock, House
from tests.outbox.conftest import connect, fake_provider, raising, text_message
from tests.serving import TOP, environment, serving
from tests.webhooks.conftest import listen, send_test

SECRET: Final = "correct-horse-battery-staple"
PARENT: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(
    database_url: str, tmp_path: Path, clock: FakeClock, exporter: InMemorySpanExporter
) -> House:
    settings = make_settings(database_url, tmp_path / "data", ALLOW_PRIVATE_ADDRESSES="on")
    tracing = Tracing(SimpleSpanProcessor(exporter), version=__version__)
    house = House(create_app(settings, clock, tracing), clock)
    house.set_up()
    return house


def spans(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_request_is_a_span_by_its_route(traced: House, exporter: InMemorySpanExporter) -> None:
    api = traced.api()
    headers = {"X-Request-Id": "req_of_ours", "traceparent": PARENT}
    api.get(f"/v1/messages?search={SECRET}", headers=headers)
    traced.pages().get(f"/{SECRET}")
    runtime_of(traced.app).close()

    [span] = spans(exporter, "GET /v1/messages")
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/v1/messages",
        "http.response.status_code": 200,
        "senderkit.request.id": "req_of_ours",
    }
    assert span.kind is SpanKind.SERVER
    assert span.context is not None
    assert format(span.context.trace_id, "032x") in PARENT
    assert span.parent is not None
    assert format(span.parent.span_id, "016x") in PARENT
    [other] = spans(exporter, "GET")
    assert (other.parent, other.status.status_code) == (None, StatusCode.UNSET)
    assert SECRET not in told(exporter)


def test_a_delivery_is_a_span_with_its_outcome(
    traced: House, exporter: InMemorySpanExporter, register: RegisterProvider
) -> None:
    sms = register(fake_provider("fake-sms"))
    connection_id = connect(traced, sms.name)
    live = traced.api("live")
    sms.react = raising(Refused(SECRET))
    message_id = live.send(**text_message())
    traced.deliver()
    sms.react = raising(RuntimeError(SECRET))
    live.send(**text_message())
    traced.deliver()
    runtime_of(traced.app).close()

    refused, crashed = spans(exporter, "deliver message")
    assert refused.attributes == {
        "senderkit.message.id": message_id,
        "senderkit.channel": "sms",
        "senderkit.provider": "fake-sms",
        "senderkit.connection.id": connection_id,
        "senderkit.attempt": 1,
        "senderkit.outcome": "refused",
        "error.type": "refused",
    }
    assert refused.status.status_code is StatusCode.ERROR
    assert (crashed.attributes or {})["senderkit.outcome"] == "unknown"
    assert SECRET not in told(exporter)
    assert "15555550100" not in told(exporter)


def test_a_webhook_call_is_a_span(traced: House, exporter: InMemorySpanExporter) -> None:
    with Collector() as receiver:
        receiver.answer("POST /hook", Answer(503, body=b"no"))
        delivery_id = send_test(traced, listen(traced, f"{receiver.url}/hook?password={SECRET}"))
        traced.runtime.webhooks.run_once()
    runtime_of(traced.app).close()

    [span] = spans(exporter, "call webhook")
    found = dict(span.attributes or {})
    assert found["senderkit.webhook.delivery.id"] == delivery_id
    assert found["http.response.status_code"] == 503
    assert (found["senderkit.outcome"], found["error.type"]) == ("refused", "refused")
    assert SECRET not in told(exporter)


def told(exporter: InMemorySpanExporter) -> str:
    """All that was exported, resource and events included."""
    return "".join(span.to_json() for span in exporter.get_finished_spans())


# -- a real server ------------------------------------------------------------------------------


def test_spans_reach_a_collector_over_http(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=abc")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mail-of-acme")
    with Collector() as collector:
        collector.answer("POST /v1/traces", Answer(200))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with serving(tmp_path / "served") as server:
            assert server.stop() == 0
        request = collector.requests[0]
    assert request.headers["x-collector-key"] == "abc"
    sent = ExportTraceServiceRequest.FromString(request.body)
    [resource] = sent.resource_spans
    told_of = {item.key: item.value.string_value for item in resource.resource.attributes}
    assert told_of["service.name"] == "mail-of-acme"
    assert told_of["service.version"] == __version__
    names = [span.name for scope in resource.scope_spans for span in scope.spans]
    assert "GET /readyz" in names


def test_a_collector_that_is_gone_keeps_nobody_waiting(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    with serving(tmp_path / "served") as server:
        assert server.stop() == 0  # within the 30 seconds that `stop` gives it


def test_without_the_library_the_start_says_what_is_missing(
    database_url: str, tmp_path: Path
) -> None:
    script = (
        "import sys\nsys.modules['opentelemetry'] = None\nfrom senderkit.cli import main\nmain()\n"
    )
    given = environment(tmp_path / "data") | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    ended = subprocess.run(
        [sys.executable, "-c", script, "serve", "--port", str(free_port())],
        cwd=TOP,
        env=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert "senderkit-server[otel]" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_nobody_who_asks_for_no_traces_pays_for_them(database_url: str) -> None:
    script = (
        "import sys\n"
        "import app\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=TOP,
        env=environment(Path(database_url.removeprefix("sqlite:///")).parent),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.strip() == "[]"
