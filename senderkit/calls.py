"""Provider calls under way: made in the threads of their lanes, with nothing of the database held.

Whatever a call raises ends its own message's attempt and no other's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from structlog.contextvars import bound_contextvars

from senderkit.domain import Attachment, AttemptOutcome, Clock, Receipt
from senderkit.errors import DeliveryError, NotMade
from senderkit.lanes import ByteBudget, Lanes
from senderkit.metrics import Metrics
from senderkit.outbox import Claim
from senderkit.services.connections import Connections
from senderkit.services.preparing import Call, Preparing
from senderkit.services.verdicts import outcome_of

if TYPE_CHECKING:
    from senderkit.tracing import Span, Tracing

_log = structlog.get_logger(__name__)

_ATTACHMENT_BYTES: Final = 40_000_000
"""Of one lane's calls together; each byte is held about five times while an email is made."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a provider call came to: a receipt or an error."""

    call: Call
    receipt: Receipt | None
    error: Exception | None
    finished_at: datetime

    @property
    def claim(self) -> Claim:
        return self.call.claim


@dataclass(frozen=True, slots=True)
class _Lease:
    """A message under way: in which lane, and until when nobody else may claim it."""

    lane: str
    token: str
    until: datetime


class Calls:
    """Makes calls, at most `workers` of a lane at a time. One thread begins and collects them."""

    def __init__(
        self,
        preparing: Preparing,
        connections: Connections,
        clock: Clock,
        metrics: Metrics,
        tracing: Tracing | None,
        *,
        workers: int,
    ) -> None:
        self._preparing = preparing
        self._connections = connections
        self._clock = clock
        self._metrics = metrics
        self._tracing = tracing
        self.workers = workers
        self._lanes = Lanes(workers)
        self._budgets = defaultdict[str, ByteBudget](lambda: ByteBudget(_ATTACHMENT_BYTES))
        self._leases: dict[int, _Lease] = {}
        self._results: SimpleQueue[Result | None] = SimpleQueue()

    def __len__(self) -> int:
        """How many are under way, or finished and not forgotten yet."""
        return len(self._leases)

    def begin(self, call: Call, lease_until: datetime) -> None:
        """Make a call as soon as its lane has a thread for it."""
        claim = call.claim
        self._leases[claim.id] = _Lease(claim.lane, claim.lease_token, lease_until)
        self._lanes.submit(claim.lane, partial(self._make, call, self._budgets[claim.lane]))

    def collect(self, timeout: float) -> list[Result]:
        """What has finished, waiting up to `timeout` seconds for the first or for a wake-up."""
        results: list[Result] = []
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

    def forget(self, claim: Claim) -> None:
        """The result of this claim is dealt with."""
        lease = self._leases.get(claim.id)
        if lease is not None and lease.token == claim.lease_token:
            del self._leases[claim.id]

    def by_lane(self) -> Counter[str]:
        return Counter(lease.lane for lease in self._leases.values())

    def tokens(self) -> Mapping[int, str]:
        """The lease tokens by message id."""
        return {message_id: lease.token for message_id, lease in self._leases.items()}

    def extend(self, message_ids: Iterable[int], until: datetime) -> None:
        """Their leases were renewed."""
        for message_id in message_ids:
            self._leases[message_id] = replace(self._leases[message_id], until=until)

    def close(self) -> None:
        """Make no new threads wait for work; a call that is under way is left to itself."""
        self._lanes.close()
        self._connections.close()

    # -- one call, in a thread of its lane --------------------------------------------------------

    def _make(self, call: Call, budget: ByteBudget) -> None:
        """Whatever is logged meanwhile names the message and the connection."""
        span = self._find_span(call)
        began = monotonic()
        with bound_contextvars(
            message_id=call.claim.public_id, connection_id=call.route.connection_id
        ):
            result = self._result(call, budget)
        accepted = result.receipt is not None
        outcome = AttemptOutcome.ACCEPTED if accepted else outcome_of(result.error)
        self._metrics.provider_call(call.route.provider, outcome, monotonic() - began)
        if span is not None:
            fault = "" if accepted else outcome.value
            span.end({"senderkit.outcome": outcome.value}, fault=fault)
        self._results.put(result)

    def _find_span(self, call: Call) -> Span | None:
        if self._tracing is None:
            return None
        known = {
            "senderkit.message.id": call.claim.public_id,
            "senderkit.channel": call.claim.channel.value,
            "senderkit.provider": call.route.provider,
            "senderkit.connection.id": call.route.connection_id,
            "senderkit.attempt": call.beginning.number,
        }
        return self._tracing.call("deliver message", known)

    def _result(self, call: Call, budget: ByteBudget) -> Result:
        receipt: Receipt | None = None
        fault: Exception | None = None
        try:
            receipt = self._send(call, budget)
        except DeliveryError as error:
            fault = error
        except Exception as error:  # noqa: BLE001 - the guard around one message
            _log.error("adapter_crashed", exc_info=error)
            fault = error
        return Result(call, receipt, fault, self._clock())

    def _send(self, call: Call, budget: ByteBudget) -> Receipt:
        adapter = self._connections.adapter(call.route)
        if call.attachment_bytes is None:
            self._check_lease(call.claim)
            return adapter.send(call.outgoing)
        with budget.hold(call.attachment_bytes):
            outgoing = replace(call.outgoing, attachments=self._load_attachments(call.claim))
            self._check_lease(call.claim)
            return adapter.send(outgoing)

    def _load_attachments(self, claim: Claim) -> tuple[Attachment, ...]:
        try:
            return self._preparing.load_attachments(claim.id)
        except SQLAlchemyError as error:
            raise NotMade("The attachments could not be read from the database.") from error

    def _check_lease(self, claim: Claim) -> None:
        """After a long sleep somebody else may be sending this message: let it be."""
        lease = self._leases.get(claim.id)
        is_ours = lease is not None and lease.token == claim.lease_token
        if lease is None or not is_ours or self._clock() >= lease.until:
            raise NotMade("The call was not made: this server had been stopped for too long.")
