"""The dispatcher of webhooks: claim -> sign and call -> record.

One thread turns: in one transaction it records what finished and claims what there is room for; the
endpoints' threads do nothing but call. What goes wrong with the database is tried again: a result
stays in memory until it is recorded. `run_once` does all that is due now without the loop.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from senderkit import webhook_outbox
from senderkit.database import is_outage, read_only
from senderkit.domain import Clock
from senderkit.http_client import HttpClient
from senderkit.metrics import Metrics
from senderkit.models import WebhookEndpoint
from senderkit.services import webhook_results
from senderkit.services.team_mail import TeamMail
from senderkit.services.webhook_endpoints import WebhookEndpoints
from senderkit.services.webhook_results import WebhookResult
from senderkit.webhook_calls import THREADS, WebhookCalls, WebhookTarget
from senderkit.webhook_outbox import WebhookClaim

if TYPE_CHECKING:
    from senderkit.tracing import Tracing

_log = structlog.get_logger(__name__)

_LEASE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 1.0
_REST_SECONDS: Final = 0.02
"""Between two turns, so that many wake-ups in a row are one look."""

_STALLED_SECONDS: Final = 20.0
_DRAIN_SECONDS: Final = 25.0

_Claimed = list[tuple[WebhookClaim, WebhookTarget]]


class WebhookDispatcher:
    """Tells endpoints what is due. `http` reads no more of an answer than the log keeps."""

    def __init__(
        self,
        engine: Engine,
        http: HttpClient,
        endpoints: WebhookEndpoints,
        mail: TeamMail,
        clock: Clock,
        metrics: Metrics,
        tracing: Tracing | None = None,
    ) -> None:
        self._engine = engine
        self._reader = read_only(engine)
        self._mail = mail
        self._clock = clock
        self._calls = WebhookCalls(http, endpoints, clock, metrics, tracing)
        self._finished: list[WebhookResult] = []
        self._alive_at = clock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._uniform = random.SystemRandom().uniform

    # -- life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Deliver in the background until `close`."""
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do: called after commits."""
        self._calls.wake()

    def close(self) -> None:
        """Stop claiming, finish what is under way, record it.

        A call that takes too long is left behind and made again once its lease has ended.
        """
        self._stopping.set()
        self.wake()
        if self._thread is not None:
            self._thread.join(_DRAIN_SECONDS)
            if self._thread.is_alive():
                _log.error("webhooks_left_behind", deliveries=len(self._calls))
        self._calls.close()

    def is_alive(self) -> bool:
        """Whether a turn of the loop succeeded lately; a stalled one must turn /readyz red."""
        return self._clock() - self._alive_at < timedelta(seconds=_STALLED_SECONDS)

    def run_once(self) -> int:
        """Do everything that is due now, to its end; return how many calls were made."""
        count = 0
        while True:
            claimed = self._store(self._find_rooms()[0])
            count += len(claimed)
            self._begin(claimed)
            if not self._calls:
                return count
            self._finished += self._calls.collect(_POLL_SECONDS)

    def run_one(self, delivery_id: str) -> bool:
        """Make one delivery that is due, to its end; False when another process was faster."""
        with self._engine.begin() as connection:
            claim = webhook_outbox.claim_one(
                connection,
                delivery_id=delivery_id,
                now=self._clock(),
                lease_seconds=_LEASE_SECONDS,
            )
            targets = self._read_targets(connection, [claim.endpoint_id] if claim else [])
        if claim is None:
            return False
        self._calls.begin(claim, targets[claim.endpoint_id])
        while not self._finished:
            self._finished += self._calls.collect(_POLL_SECONDS)
        self._store({})
        return True

    def _run(self) -> None:
        while not self._stopping.is_set() or self._calls:
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001 - the loop must go on
                _log_failed_turn(error)
                self._stopping.wait(_POLL_SECONDS)
            else:
                self._alive_at = self._clock()

    def _turn(self) -> None:
        """One round: store, begin what was claimed, wait for a result or the next due moment."""
        is_stopping = self._stopping.is_set()
        rooms, wait_seconds = ({}, _POLL_SECONDS) if is_stopping else self._find_rooms()
        self._begin(self._store(rooms))
        if is_stopping and not self._calls:
            return
        self._stopping.wait(_REST_SECONDS)
        self._finished += self._calls.collect(wait_seconds)

    # -- the database's half of a turn ----------------------------------------------------------

    def _find_rooms(self) -> tuple[dict[int, int], float]:
        """How many calls of each endpoint may begin now, and seconds until there are more."""
        now = self._clock()
        with self._reader.connect() as connection:
            due = webhook_outbox.find_due(connection, now=now)
        taken = self._calls.by_endpoint()
        taken.subtract(result.claim.endpoint_id for result in self._finished)
        rooms = {id_: THREADS - taken[id_] for id_ in due}
        waits = [(due[id_] - now).total_seconds() for id_, room in rooms.items() if room > 0]
        wait_seconds = max(_REST_SECONDS, min([_POLL_SECONDS, *waits]))
        open_now = {id_: room for id_, room in rooms.items() if room > 0 and due[id_] <= now}
        return open_now, wait_seconds

    def _store(self, rooms: Mapping[int, int]) -> _Claimed:
        """One transaction: what finished is recorded, what fits is claimed.

        Raises when the database cannot be used, and then nothing of it has happened.
        """
        if not self._finished and not rooms:
            return []
        try:
            with self._engine.begin() as connection:
                switched_off = self._record(connection, self._finished)
                claimed = self._claim(connection, rooms)
        except Exception as error:
            if is_outage(error):
                raise
            _log.error("webhook_turn_not_stored", exc_info=error)
            switched_off, claimed = self._store_one_by_one(), []
        self._settle()
        self._tell(switched_off)
        return claimed

    def _record(self, connection: Connection, results: Sequence[WebhookResult]) -> list[int]:
        now, uniform = self._clock(), self._uniform
        return webhook_results.record(connection, results, now=now, uniform=uniform)

    def _store_one_by_one(self) -> list[int]:
        """One result kept the others from being stored: it is dropped and made again later."""
        switched_off: list[int] = []
        for result in self._finished:
            try:
                with self._engine.begin() as connection:
                    switched_off += self._record(connection, [result])
            except Exception as error:
                if is_outage(error):
                    raise
                delivery_id = result.claim.public_id
                _log.error("webhook_result_not_stored", delivery_id=delivery_id, exc_info=error)
        return switched_off

    def _claim(self, connection: Connection, rooms: Mapping[int, int]) -> _Claimed:
        now = self._clock()
        targets = self._read_targets(connection, rooms)
        found: _Claimed = []
        for endpoint_id, target in targets.items():
            claims = webhook_outbox.claim(
                connection,
                endpoint_id=endpoint_id,
                now=now,
                limit=rooms[endpoint_id],
                lease_seconds=_LEASE_SECONDS,
            )
            found += [(claim, target) for claim in claims]
        return found

    def _read_targets(
        self, connection: Connection, endpoint_ids: Iterable[int]
    ) -> dict[int, WebhookTarget]:
        """What was committed for an endpoint just as it was switched off is given up here."""
        rows = connection.execute(
            select(
                WebhookEndpoint.id,
                WebhookEndpoint.is_enabled,
                WebhookEndpoint.url,
                WebhookEndpoint.sealed_secret,
                WebhookEndpoint.overlap_until,
            )
            .where(WebhookEndpoint.id.in_(list(endpoint_ids)))
            .order_by(WebhookEndpoint.id)
        ).all()
        for row in rows:
            if not row.is_enabled:
                webhook_results.give_up_waiting(connection, row.id, now=self._clock())
        return {row.id: WebhookTarget(*row[2:]) for row in rows}

    def _settle(self) -> None:
        """After the commit: forget what is recorded."""
        for result in self._finished:
            self._calls.forget(result.claim)
        self._finished.clear()

    def _begin(self, claimed: _Claimed) -> None:
        for claim, target in claimed:
            self._calls.begin(claim, target)

    # -- telling the team -----------------------------------------------------------------------

    def _tell(self, endpoint_ids: Sequence[int]) -> None:
        """By mail, in a thread of its own: a slow mail server holds no webhook up."""
        for endpoint_id in endpoint_ids:
            threading.Thread(
                target=partial(self._mail_about, endpoint_id), name="team-mail", daemon=True
            ).start()

    def _mail_about(self, endpoint_id: int) -> None:
        try:
            self._write_about(endpoint_id)
        except SQLAlchemyError as error:
            _log.warning("team_mail_not_written", error=type(error).__name__)

    def _write_about(self, endpoint_id: int) -> None:
        statement = select(
            WebhookEndpoint.public_id,
            WebhookEndpoint.workspace_id,
            WebhookEndpoint.url,
            WebhookEndpoint.disabled_reason,
        ).where(WebhookEndpoint.id == endpoint_id)
        with self._reader.connect() as connection:
            row = connection.execute(statement).one_or_none()
        if row is None or row.disabled_reason is None:
            return
        _log.error("webhook_endpoint_switched_off", endpoint_id=row.public_id)
        # What stands behind the question mark is often a password of the receiver's.
        url = row.url.partition("?")[0]
        words = (
            f"The webhook endpoint {url} was switched off: {row.disabled_reason} "
            "Nothing is told to it until somebody switches it on again on the Webhooks page, "
            "where what it missed can be replayed."
        )
        self._mail.send(row.workspace_id, "A webhook endpoint was switched off", words)


def _log_failed_turn(error: Exception) -> None:
    if is_outage(error):
        # The database is busy or gone: the next turn tries again.
        _log.error("webhook_database_error", error=type(error).__name__)
    else:
        _log.error("webhook_turn_failed", exc_info=error)
