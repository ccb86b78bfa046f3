"""What a process counts about itself for `/metrics`: one plain object, handed in like the clock.

Every label has few values, and none is an id, a recipient or anything else that a stranger chose.
Counting takes about a microsecond: the children of a metric are kept by their labels, since finding
one costs the library more than adding to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from senderkit.domain import AttemptOutcome, Channel, MessageStatus, Mode

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
UNKNOWN_ROUTE: Final = "unknown"

_REQUEST_SECONDS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_HAND_OVER_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86_400)
_COMMIT_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_CALL_SECONDS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0)
_BATCH_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_Kind = TypeVar("_Kind", Counter, Histogram)

# Else each histogram and counter would be followed by the moment of its birth.
disable_created_metrics()  # type: ignore[no-untyped-call]


class _Children(Generic[_Kind]):
    """The children of one metric, by the values of its labels."""

    def __init__(self, metric: _Kind) -> None:
        self._metric: _Kind = metric
        self._children: dict[tuple[str, ...], _Kind] = {}

    def __getitem__(self, values: tuple[str, ...]) -> _Kind:
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = self._metric.labels(*values)
        return child


class Metrics:
    """The counters and histograms of one process. Every method may be called from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = self._histogram(
            "http_request_duration_seconds",
            "Requests from their arrival to their answer, by route pattern.",
            ("method", "route", "status"),
            _REQUEST_SECONDS,
        )
        self._accepted = self._counter(
            "messages_accepted", "Messages stored for delivery.", ("mode", "channel")
        )
        self._became = self._counter(
            "messages_dispatched",
            "What the dispatcher made of messages: the status that each one was given.",
            ("mode", "channel", "status"),
        )
        self._hand_overs = self._histogram(
            "message_hand_over_seconds",
            "From acceptance, or the moment it was scheduled for, until a provider took a message.",
            ("mode", "channel"),
            _HAND_OVER_SECONDS,
        )
        self._calls = self._histogram(
            "provider_call_duration_seconds",
            "Calls of providers, by what they came to.",
            ("provider", "outcome"),
            _CALL_SECONDS,
        )
        self._webhooks = self._histogram(
            "webhook_call_duration_seconds",
            "Calls of webhook endpoints, by what they came to.",
            ("outcome",),
            _CALL_SECONDS,
        )
        self._batches = self._plain_histogram(
            "acceptance_batch_messages", "Messages that were committed together.", _BATCH_SIZES
        )
        self._commits = self._plain_histogram(
            "acceptance_commit_seconds", "One commit of accepted messages.", _COMMIT_SECONDS
        )

    def add(self, collector: Collector) -> None:
        """Have more told, which is found out when somebody asks."""
        self.registry.register(collector)

    def text(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self.registry)

    # -- counting -------------------------------------------------------------------------------

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """One answered request; `route` is its pattern, None when no route has its path.

        Methods come from strangers: the caller sees to it that there are few.
        """
        self._requests[method, route or UNKNOWN_ROUTE, str(status)].observe(seconds)

    def accepted(self, rooms: Iterable[tuple[Mode, str]], seconds: float) -> None:
        """One commit of accepted messages, given by their modes and channels."""
        count = 0
        for mode, channel in rooms:
            self._accepted[mode.value, channel].inc()
            count += 1
        self._batches.observe(count)
        self._commits.observe(seconds)

    def became(self, mode: Mode, channel: Channel, status: MessageStatus) -> None:
        """The dispatcher gave a message a status."""
        self._became[mode.value, channel.value, status.value].inc()

    def handed_over(self, mode: Mode, channel: Channel, seconds: float) -> None:
        """A provider, or the simulator, took a message so long after it was due."""
        self._hand_overs[mode.value, channel.value].observe(seconds)

    def provider_call(self, provider: str, outcome: AttemptOutcome, seconds: float) -> None:
        """One call of a provider."""
        self._calls[provider, outcome.value].observe(seconds)

    def webhook_call(self, outcome: str, seconds: float) -> None:
        """One call of a webhook endpoint."""
        self._webhooks[(outcome,)].observe(seconds)

    # -- making ---------------------------------------------------------------------------------

    def _counter(self, name: str, help_: str, labels: tuple[str, ...]) -> _Children[Counter]:
        return _Children(Counter(f"senderkit_{name}", help_, labels, registry=self.registry))

    def _histogram(
        self, name: str, help_: str, labels: tuple[str, ...], buckets: tuple[float, ...]
    ) -> _Children[Histogram]:
        return _Children(
            Histogram(f"senderkit_{name}", help_, labels, buckets=buckets, registry=self.registry)
        )

    def _plain_histogram(self, name: str, help_: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"senderkit_{name}", help_, buckets=buckets, registry=self.registry)
