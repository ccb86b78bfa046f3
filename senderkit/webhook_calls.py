"""Webhook calls under way: made in the threads of their endpoint, with no database held.

An endpoint that hangs takes the threads of its own and no others.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

import structlog
from structlog.contextvars import bound_contextvars

from senderkit.domain import Clock
from senderkit.errors import DeliveryError, NotMade, SealBroken
from senderkit.http_client import HttpClient, Reply, Request, Timeouts
from senderkit.lanes import Lanes
from senderkit.metrics import Metrics
from senderkit.services.webhook_endpoints import WebhookEndpoints
from senderkit.services.webhook_results import WebhookResult
from senderkit.webhook_outbox import WebhookClaim
from senderkit.webhook_signing import signed_headers

if TYPE_CHECKING:
    from senderkit.tracing import Span, Tracing

_log = structlog.get_logger(__name__)

MOST_REPLY_BYTES: Final = 1024
THREADS: Final = 8
"""Calls of one endpoint at a time."""
TIMEOUTS: Final = Timeouts(connect_seconds=10, read_seconds=15, total_seconds=20)


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where a webhook goes and what signs it, still sealed."""

    url: str
    sealed_secret: bytes = field(repr=False)
    overlap_until: datetime | None


class WebhookCalls:
    """Makes calls. One thread begins and collects them."""

    def __init__(
        self,
        http: HttpClient,
        endpoints: WebhookEndpoints,
        clock: Clock,
        metrics: Metrics,
        tracing: Tracing | None,
    ) -> None:
        self._http = http
        self._endpoints = endpoints
        self._clock = clock
        self._metrics = metrics
        self._tracing = tracing
        self._lanes = Lanes(THREADS)
        self._under_way: dict[str, WebhookClaim] = {}
        self._results: SimpleQueue[WebhookResult | None] = SimpleQueue()

    def __len__(self) -> int:
        """How many are under way, or finished and not forgotten yet."""
        return len(self._under_way)

    def begin(self, claim: WebhookClaim, target: WebhookTarget) -> None:
        """Make a call as soon as its endpoint has a thread for it."""
        self._under_way[_key(claim)] = claim
        self._lanes.submit(str(claim.endpoint_id), partial(self._make, claim, target))

    def collect(self, timeout: float) -> list[WebhookResult]:
        """What has finished, waiting up to `timeout` seconds for the first or for a wake-up."""
        results: list[WebhookResult] = []
        try:
            item = self._results.get(timeout=timeout) if timeout else self._results.get_nowait()
            while True:
                if item is not None:
                    results.append(item)
                item = self._results.get_nowait()
        except Empty:
            return results

    def wake(self) -> None:
        """End the wait of `collect`; from any thread."""
        self._results.put(None)

    def forget(self, claim: WebhookClaim) -> None:
        """The result of this claim is dealt with."""
        self._under_way.pop(_key(claim), None)

    def by_endpoint(self) -> Counter[int]:
        return Counter(claim.endpoint_id for claim in self._under_way.values())

    def close(self) -> None:
        """Make no new threads wait for work; a call that is under way is left to itself."""
        self._lanes.close()

    # -- one call, in a thread of its endpoint ----------------------------------------------------

    def _make(self, claim: WebhookClaim, target: WebhookTarget) -> None:
        """Whatever is logged meanwhile names the delivery."""
        span = self._find_span(claim)
        with bound_contextvars(delivery_id=claim.public_id, event_id=claim.event_id):
            result = self._result(claim, target)
        outcome = _outcome_of(result)
        self._metrics.webhook_call(outcome, result.duration_ms / 1000)
        if span is not None:
            _end(span, result, outcome)
        self._results.put(result)

    def _find_span(self, claim: WebhookClaim) -> Span | None:
        if self._tracing is None:
            return None
        known = {
            "senderkit.webhook.delivery.id": claim.public_id,
            "senderkit.webhook.event.id": claim.event_id,
            "senderkit.webhook.event.type": claim.event_type.value,
            "senderkit.attempt": claim.attempt,
        }
        return self._tracing.call("call webhook", known)

    def _result(self, claim: WebhookClaim, target: WebhookTarget) -> WebhookResult:
        started_at, began = self._clock(), time.monotonic()
        reply: Reply | None = None
        error: str | None = None
        try:
            reply = self._call(claim, target, started_at)
        except SealBroken:
            error = "The stored secret does not open: the encryption key has changed."
        except DeliveryError as fault:
            error = str(fault)
        except Exception as fault:  # noqa: BLE001 - the guard around one delivery
            _log.error("webhook_crashed", exc_info=fault)
            name = type(fault).__name__
            error = f"An unexpected error stopped this call ({name}). It was logged."
        duration_ms = round((time.monotonic() - began) * 1000)
        return WebhookResult(
            claim,
            started_at,
            self._clock(),
            duration_ms,
            status_code=None if reply is None else reply.status,
            reply="" if reply is None else _beginning(reply),
            error=error,
        )

    def _call(self, claim: WebhookClaim, target: WebhookTarget, now: datetime) -> Reply:
        if now >= claim.lease_until:
            # After a long sleep somebody else may be making this very call.
            raise NotMade("The call was not made: this server had been stopped for too long.")
        keys = self._endpoints.open_secrets(target.sealed_secret, target.overlap_until, now)
        body = claim.body.encode("utf-8")
        headers = signed_headers(
            body,
            keys,
            event_type=claim.event_type.value,
            event_id=claim.event_id,
            delivery_id=claim.public_id,
            attempt=claim.attempt,
            now=now,
        )
        request = Request("POST", target.url, headers, body, status_is_enough=True)
        return self._http.send(request)


def _key(claim: WebhookClaim) -> str:
    """A delivery that was claimed anew is another call."""
    return f"{claim.id} {claim.lease_token}"


def _outcome_of(result: WebhookResult) -> str:
    """A word for the figures."""
    if result.status_code is None:
        return "no_answer"
    return "delivered" if result.is_success else "refused"


def _end(span: Span, result: WebhookResult, outcome: str) -> None:
    found: dict[str, str | int] = {"senderkit.outcome": outcome}
    if result.status_code is not None:
        found["http.response.status_code"] = result.status_code
    span.end(found, fault="" if result.is_success else outcome)


def _beginning(reply: Reply) -> str:
    """The first bytes of the body as text that both databases take."""
    text = reply.body[:MOST_REPLY_BYTES].decode("utf-8", "replace")
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
