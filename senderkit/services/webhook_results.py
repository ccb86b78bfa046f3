"""What became of webhook calls: the schedule of tries, when an endpoint is switched off, storing.

An endpoint that answers 410, or that has done nothing but fail for five days, is switched off: what
waits for it is given up, where everybody can see it, and can be replayed later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, exists, insert, or_, select, update

from senderkit import webhook_outbox
from senderkit.domain import WebhookEventType, WebhookState
from senderkit.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from senderkit.webhook_outbox import WebhookClaim

DELAYS_SECONDS: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Between one try and the next; the first is made at once."""

PATIENCE: Final = timedelta(days=5)
SWITCHED_OFF: Final = "The endpoint is switched off."
_JITTER: Final = 0.2
_GONE: Final = 410

Uniform = Callable[[float, float], float]
"""A random number between two others."""


def retry_delay(tries: int, uniform: Uniform) -> float | None:
    """Seconds until the next try after `tries` of them failed, or None to give up."""
    if tries > len(DELAYS_SECONDS):
        return None
    return DELAYS_SECONDS[tries - 1] * uniform(1 - _JITTER, 1 + _JITTER)


@dataclass(frozen=True, slots=True)
class WebhookResult:
    """What one call came to. Without an answer, `status_code` is None and `error` says why.

    `reply` is the beginning of the answer's body, fit for both databases.
    """

    claim: WebhookClaim
    started_at: datetime
    finished_at: datetime
    duration_ms: int
    status_code: int | None = None
    reply: str = field(default="", repr=False)
    error: str | None = None

    @property
    def is_success(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300

    @property
    def words(self) -> str:
        """What happened, for people."""
        return self.error or f"The endpoint answered {self.status_code}."


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What results change about an endpoint."""

    id: int
    is_enabled: bool
    failing_since: datetime | None
    disabled_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far a delivery has come, and what that makes of its endpoint."""

    state: WebhookState
    endpoint: EndpointState
    reason: str | None = None
    due_at: datetime | None = None


def verdict(result: WebhookResult, endpoint: EndpointState, uniform: Uniform) -> Verdict:
    """What a result makes of its delivery. A test event is tried once and proves nothing else."""
    if result.is_success:
        after = endpoint if result.claim.is_test else replace(endpoint, failing_since=None)
        return Verdict(WebhookState.DELIVERED, after)
    if result.claim.is_test:
        return Verdict(WebhookState.GIVEN_UP, endpoint, result.words)
    after = _after_failure(result, endpoint)
    if not after.is_enabled:
        reason = after.disabled_reason or SWITCHED_OFF
        return Verdict(WebhookState.GIVEN_UP, after, f"{result.words} {reason}")
    delay = retry_delay(result.claim.tries, uniform)
    if delay is None:
        reason = f"All {result.claim.tries} tries failed. The last one: {result.words}"
        return Verdict(WebhookState.GIVEN_UP, after, reason)
    due_at = result.finished_at + timedelta(seconds=delay)
    return Verdict(WebhookState.PENDING, after, due_at=due_at)


def _after_failure(result: WebhookResult, endpoint: EndpointState) -> EndpointState:
    if not endpoint.is_enabled:
        return endpoint
    since = endpoint.failing_since or result.finished_at
    after = replace(endpoint, failing_since=since)
    if result.status_code == _GONE:
        reason = "It answered 410: it wants no more webhooks."
        return replace(after, is_enabled=False, disabled_reason=reason)
    if result.finished_at - since >= PATIENCE:
        reason = f"Every try of the last {PATIENCE.days} days failed. {result.words}"
        return replace(after, is_enabled=False, disabled_reason=reason)
    return after


# -- storing ------------------------------------------------------------------------------------

# Endpoints are locked before their deliveries, by all who change both.
_LOCK_ENDPOINTS: Final = (
    select(
        WebhookEndpoint.id,
        WebhookEndpoint.is_enabled,
        WebhookEndpoint.failing_since,
        WebhookEndpoint.disabled_reason,
    )
    .where(WebhookEndpoint.id.in_(bindparam("ids", expanding=True)))
    .order_by(WebhookEndpoint.id)
    .with_for_update(key_share=True)
)
_ADD_ATTEMPT: Final = insert(WebhookAttempt)


def record(
    connection: Connection, results: Sequence[WebhookResult], *, now: datetime, uniform: Uniform
) -> list[int]:
    """Store what became of calls whose leases are still ours.

    Return the endpoints that were switched off for it.
    """
    if not results:
        return []
    ids = sorted({result.claim.endpoint_id for result in results})
    rows = connection.execute(_LOCK_ENDPOINTS, {"ids": ids})
    before = {row.id: EndpointState(*row) for row in rows}
    leases = {result.claim.id: result.claim.lease_token for result in results}
    kept = webhook_outbox.still_ours(connection, leases)
    ours = [result for result in results if result.claim.id in kept]
    after, ends = _judge(ours, before, uniform)
    webhook_outbox.finish(connection, ends)
    if ours:
        connection.execute(_ADD_ATTEMPT, [_attempt_row(result) for result in ours])
    changed = {id_: state for id_, state in after.items() if state != before[id_]}
    _update_endpoints(connection, changed.values())
    switched_off = [
        id_ for id_, state in changed.items() if before[id_].is_enabled and not state.is_enabled
    ]
    for endpoint_id in switched_off:
        give_up_waiting(connection, endpoint_id, now=now)
    return switched_off


def _judge(
    results: Iterable[WebhookResult], before: dict[int, EndpointState], uniform: Uniform
) -> tuple[dict[int, EndpointState], list[dict[str, Any]]]:
    after, ends = dict(before), []
    for result in sorted(results, key=lambda each: each.finished_at):
        found = verdict(result, after[result.claim.endpoint_id], uniform)
        after[result.claim.endpoint_id] = found.endpoint
        ends.append(
            {
                "of_id": result.claim.id,
                "new_state": found.state.value,
                "new_reason": found.reason,
                "new_due_at": found.due_at,
            }
        )
    return after, ends


def _attempt_row(result: WebhookResult) -> dict[str, Any]:
    return {
        "delivery_id": result.claim.id,
        "number": result.claim.attempt,
        "started_at": result.started_at,
        "duration_ms": result.duration_ms,
        "status_code": result.status_code,
        "reply": result.reply,
        "error": result.error,
    }


def _update_endpoints(connection: Connection, changed: Iterable[EndpointState]) -> None:
    for state in changed:
        values = {
            "is_enabled": state.is_enabled,
            "failing_since": state.failing_since,
            "disabled_reason": state.disabled_reason,
        }
        of_id = WebhookEndpoint.id == state.id
        connection.execute(update(WebhookEndpoint).where(of_id).values(values))


def give_up_waiting(connection: Connection, endpoint_id: int, *, now: datetime) -> None:
    """What waits for an endpoint that is switched off is given up, tests and calls under way apart.

    Its endpoint is locked by the caller.
    """
    is_test = exists().where(
        WebhookEvent.id == WebhookDelivery.event_id,
        WebhookEvent.type == WebhookEventType.TEST.value,
    )
    connection.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.due_at.is_not(None),
            or_(WebhookDelivery.lease_until.is_(None), WebhookDelivery.lease_until <= now),
            ~is_test,
        )
        .values(
            state=WebhookState.GIVEN_UP.value,
            reason=SWITCHED_OFF,
            due_at=None,
            lease_until=None,
            lease_token=None,
        )
    )
