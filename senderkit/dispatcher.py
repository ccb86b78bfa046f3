"""The dispatcher: claim -> render -> send -> record.

One thread claims due messages in batches and writes every result in batches; a pool of workers does
nothing but talk to providers, so no database connection is held during a provider call. A test
message is simulated in that one thread and never becomes work for a provider.

`run_once` does all that is due now without any thread of its own but the pool's.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from senderkit import outbox, simulator
from senderkit.domain import AttemptOutcome, Clock, MessageStatus, Mode, Outgoing, Receipt
from senderkit.errors import (
    AccountBroken,
    DeliveryError,
    OutcomeUnknown,
    Refused,
    Suppressed,
    TemplateError,
    Unavailable,
    Unsupported,
)
from senderkit.outbox import Claim
from senderkit.rendering import render_output
from senderkit.services import connections as connection_service
from senderkit.services import delivery
from senderkit.services.connections import Connections, Route
from senderkit.services.delivery import AttemptEnd, Beginning, Change
from senderkit.services.preparing import Prepared, Preparing

_log = structlog.get_logger(__name__)

RETRY_DELAYS_SECONDS: Final = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800)
_JITTER: Final = 0.2
_LONGEST_HINT_SECONDS: Final = 24 * 3600
_BATCH: Final = 100
_LEASE_SECONDS: Final = 60.0
_RENEW_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 1.0
_STALLED_SECONDS: Final = 20.0


def retry_delay(
    attempts: int, hint_seconds: float | None, uniform: Callable[[float, float], float]
) -> float | None:
    """Seconds until the next attempt after `attempts` of them failed, or None to give up.

    The provider's hint wins over the table; without one, a jitter of 20 % spreads the retries.
    """
    if attempts > len(RETRY_DELAYS_SECONDS):
        return None
    if hint_seconds is not None:
        return min(max(hint_seconds, 1.0), float(_LONGEST_HINT_SECONDS))
    delay = RETRY_DELAYS_SECONDS[attempts - 1]
    return delay * uniform(1 - _JITTER, 1 + _JITTER)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A live message, rendered and routed."""

    beginning: Beginning
    outgoing: Outgoing
    route: Route


@dataclass(frozen=True, slots=True)
class _Result:
    """What a provider call came to: a receipt or an error."""

    ready: _Ready
    receipt: Receipt | None
    error: Exception | None
    finished_at: datetime


class Dispatcher:
    """Delivers what is due. `workers` provider calls may be under way at the same time."""

    def __init__(
        self,
        engine: Engine,
        preparing: Preparing,
        connections: Connections,
        clock: Clock,
        *,
        workers: int,
    ) -> None:
        self._engine = engine
        self._preparing = preparing
        self._connections = connections
        self._clock = clock
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="provider")
        self._results: SimpleQueue[_Result | None] = SimpleQueue()
        self._in_flight: dict[int, str] = {}
        self._renewed_at = clock()
        self._alive_at = clock()
        self._is_stopping = False
        self._thread: threading.Thread | None = None
        self._uniform = random.SystemRandom().uniform

    # -- life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Deliver in the background until `close`."""
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do: called after commits."""
        self._results.put(None)

    def close(self) -> None:
        """Stop claiming, finish what is under way, record it."""
        self._is_stopping = True
        self.wake()
        if self._thread is not None:
            self._thread.join()
        self._pool.shutdown(wait=True)
        self._connections.close()

    def is_alive(self) -> bool:
        """Whether the loop came round lately; a stalled one must turn /readyz red."""
        age = self._clock() - self._alive_at
        return age < timedelta(seconds=_STALLED_SECONDS)

    def run_once(self) -> int:
        """Do everything that is due now, to its end; return how many messages were claimed."""
        claimed = 0
        while count := self._claim_and_begin():
            claimed += count
            while self._in_flight:
                self._record(self._wait_for_results(_POLL_SECONDS))
        return claimed

    def _run(self) -> None:
        while not self._is_stopping or self._in_flight:
            self._alive_at = self._clock()
            try:
                self._turn()
            except SQLAlchemyError as error:
                # The database is busy or gone: leases keep the work, the next turn tries again.
                _log.error("dispatcher_database_error", error=type(error).__name__)
                self._wait_for_results(_POLL_SECONDS)

    def _turn(self) -> None:
        """Claim what fits, then wait for results, a wake-up or the next due moment."""
        claimed = 0 if self._is_stopping else self._claim_and_begin()
        timeout = 0.0 if claimed else self._seconds_to_wait()
        self._record(self._wait_for_results(timeout))
        self._renew_leases()

    def _seconds_to_wait(self) -> float:
        with self._engine.connect() as connection:
            next_due = outbox.find_next_due(connection)
        if next_due is None or self._in_flight:
            return _POLL_SECONDS
        return min(_POLL_SECONDS, max(0.0, (next_due - self._clock()).total_seconds()))

    # -- claim, render, begin -----------------------------------------------------------------

    def _claim_and_begin(self) -> int:
        limit = min(_BATCH, 2 * self._workers - len(self._in_flight))
        if limit <= 0:
            return 0
        with self._engine.begin() as connection:
            claims = outbox.claim(
                connection, now=self._clock(), limit=limit, lease_seconds=_LEASE_SECONDS
            )
        if not claims:
            return 0
        changes = self._simulate([claim for claim in claims if claim.mode is Mode.TEST])
        ready, ended = self._prepare([claim for claim in claims if claim.mode is Mode.LIVE])
        with self._engine.begin() as connection:
            delivery.apply_changes(connection, [*changes, *ended])
        self._begin(ready)
        return len(claims)

    def _simulate(self, claims: Sequence[Claim]) -> list[Change]:
        return [self._simulate_one(claim) for claim in claims]

    def _simulate_one(self, claim: Claim) -> Change:
        now = self._clock()
        try:
            rendered = render_output(self._preparing.render(claim).body)
        except TemplateError as error:
            return delivery.ended(claim, MessageStatus.FAILED, _unrendered(error), now)
        outcome = simulator.outcome_for(claim.channel, claim.recipient_key)
        if outcome.is_delayed and claim.attempts == 0:
            return delivery.simulated_delay(
                claim, rendered, outcome.reason, simulator.DELAY_SECONDS, now
            )
        if outcome.status is MessageStatus.DELIVERED:
            return delivery.simulated_delivery(claim, rendered, now)
        return delivery.ended(claim, outcome.status, outcome.reason, now, rendered=rendered)

    def _prepare(self, claims: Sequence[Claim]) -> tuple[list[_Ready], list[Change]]:
        ready: list[_Ready] = []
        ended: list[Change] = []
        for claim, prepared in self._preparing.prepare(claims):
            item = self._ready_or_ended(claim, prepared)
            if isinstance(item, Change):
                ended.append(item)
            else:
                ready.append(item)
        return ready, ended

    def _ready_or_ended(self, claim: Claim, prepared: Prepared) -> _Ready | Change:
        now = self._clock()
        if prepared.is_opted_out:
            reason = "The recipient has opted out of this workspace's mail."
            return delivery.ended(claim, MessageStatus.OPTED_OUT, reason, now)
        if prepared.fault is not None:
            return delivery.ended(claim, MessageStatus.FAILED, _unrendered(prepared.fault), now)
        route = prepared.route
        if route is None or prepared.outgoing is None:
            reason = f"No provider is connected that can deliver {claim.channel.value}."
            return delivery.held(claim, reason, now)
        if route.broken_reason is not None:
            return delivery.held(claim, route.broken_reason, now)
        output = render_output(prepared.outgoing.body)
        beginning = Beginning(claim, route.connection_id, route.provider, output)
        return _Ready(beginning, prepared.outgoing, route)

    def _begin(self, ready: Sequence[_Ready]) -> None:
        """Commit the attempts, then hand the calls to the workers."""
        if not ready:
            return
        beginnings = [item.beginning for item in ready]
        with self._engine.begin() as connection:
            begun = delivery.begin_attempts(connection, beginnings, self._clock())
        for item in ready:
            claim = item.beginning.claim
            if claim.id in begun:
                self._in_flight[claim.id] = claim.lease_token
                self._pool.submit(self._call, item).add_done_callback(_raise_bugs)

    # -- the provider call, in a worker ---------------------------------------------------------

    def _call(self, item: _Ready) -> None:
        """One provider call. Whatever it raises ends this message's attempt and no other's."""
        receipt: Receipt | None = None
        fault: Exception | None = None
        try:
            receipt = self._connections.adapter(item.route).send(item.outgoing)
        except DeliveryError as error:
            fault = error
        except Exception as error:  # noqa: BLE001 - the guard around one message
            _log.exception("adapter_crashed", message_id=item.outgoing.message_id)
            fault = error
        self._results.put(_Result(item, receipt, fault, self._clock()))

    # -- record -------------------------------------------------------------------------------

    def _wait_for_results(self, timeout: float) -> list[_Result]:
        """What is finished, waiting up to `timeout` seconds for the first or for a wake-up."""
        results: list[_Result] = []
        try:
            item = self._results.get(timeout=timeout) if timeout else self._results.get_nowait()
            while True:
                if item is not None:
                    results.append(item)
                item = self._results.get_nowait()
        except Empty:
            return results

    def _record(self, results: Sequence[_Result]) -> None:
        if not results:
            return
        self._tell_of_broken_accounts(results)
        changes = [self._change_of(result) for result in results]
        self._commit_results(changes)
        for result in results:
            self._in_flight.pop(result.ready.beginning.claim.id, None)

    def _commit_results(self, changes: Sequence[Change]) -> None:
        """A result must not be lost to a busy database: try until it takes it."""
        while True:
            try:
                with self._engine.begin() as connection:
                    delivery.apply_changes(connection, changes)
            except SQLAlchemyError as error:
                _log.error("result_not_recorded", error=type(error).__name__)
                threading.Event().wait(_POLL_SECONDS)
            else:
                return

    def _tell_of_broken_accounts(self, results: Sequence[_Result]) -> None:
        for result in results:
            if isinstance(result.error, AccountBroken):
                connection_id = result.ready.route.connection_id
                _log.error("connection_broken", connection_id=connection_id)
                connection_service.mark_broken(
                    self._engine, connection_id, str(result.error), result.finished_at
                )

    def _change_of(self, result: _Result) -> Change:
        begin, now, error = result.ready.beginning, result.finished_at, result.error
        if result.receipt is not None:
            return delivery.accepted(begin, result.receipt, now)
        end = AttemptEnd(begin.number, _outcome_of(error), now, _reason_of(error))
        reason = end.detail or ""
        if isinstance(error, Suppressed):
            return delivery.ended(begin.claim, MessageStatus.SUPPRESSED, reason, now, attempt=end)
        if isinstance(error, Refused | Unsupported):
            return delivery.ended(begin.claim, MessageStatus.FAILED, reason, now, attempt=end)
        if isinstance(error, AccountBroken):
            return delivery.held(begin.claim, reason, now, attempt=end)
        return self._retry_or_fail(begin, end, error)

    def _retry_or_fail(self, begin: Beginning, end: AttemptEnd, error: Exception | None) -> Change:
        hint = error.retry_after_seconds if isinstance(error, Unavailable) else None
        delay = retry_delay(begin.number, hint, self._uniform)
        if delay is None:
            reason = f"Given up after {begin.number} attempts. The last one: {end.detail}"
            return delivery.ended(
                begin.claim, MessageStatus.FAILED, reason, end.finished_at, attempt=end
            )
        in_doubt = end.outcome is AttemptOutcome.UNKNOWN
        return delivery.retried(begin, end, delay, in_doubt=in_doubt)

    def _renew_leases(self) -> None:
        now = self._clock()
        if not self._in_flight or now - self._renewed_at < timedelta(seconds=_RENEW_SECONDS):
            return
        self._renewed_at = now
        with self._engine.begin() as connection:
            outbox.renew(connection, self._in_flight, now=now, lease_seconds=_LEASE_SECONDS)


_OUTCOMES: Final = (
    (Unavailable, AttemptOutcome.UNAVAILABLE),
    (Refused, AttemptOutcome.REFUSED),
    (Suppressed, AttemptOutcome.SUPPRESSED),
    (AccountBroken, AttemptOutcome.ACCOUNT_BROKEN),
    (OutcomeUnknown, AttemptOutcome.UNKNOWN),
    (Unsupported, AttemptOutcome.UNSUPPORTED),
)


def _outcome_of(error: Exception | None) -> AttemptOutcome:
    """An adapter that crashed leaves its outcome unknown: it may have sent before it did."""
    for kind, outcome in _OUTCOMES:
        if isinstance(error, kind):
            return outcome
    return AttemptOutcome.UNKNOWN


def _reason_of(error: Exception | None) -> str:
    if isinstance(error, DeliveryError):
        return str(error)
    return f"The adapter stopped unexpectedly ({type(error).__name__})."


def _unrendered(error: TemplateError) -> str:
    return f"The template cannot be rendered: {error}"


def _raise_bugs(future: Future[None]) -> None:
    """A worker's own crash must be seen in the log, not kept in a future nobody reads."""
    error = future.exception()
    if error is not None:
        _log.error("worker_crashed", error=repr(error))
