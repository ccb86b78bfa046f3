"""From a claimed message to what is to be done about it: suppression, rendering, route, envelope.

A test message is simulated here: what becomes of it is a change and never a call.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog
from sqlalchemy import Connection, Engine, bindparam, func, select
from structlog.contextvars import bound_contextvars

from senderkit import simulator
from senderkit.crypto import Signer
from senderkit.database import is_outage
from senderkit.domain import (
    Attachment,
    Channel,
    Clock,
    MessageStatus,
    Mode,
    Outgoing,
    SuppressionReason,
)
from senderkit.errors import TemplateError
from senderkit.models import MessageAttachment
from senderkit.outbox import Claim, Place
from senderkit.rendering import (
    Rendered,
    Surroundings,
    compile_content,
    literal_body,
    render_output,
)
from senderkit.services import rounds, steps, suppressions
from senderkit.services.breakers import Breakers
from senderkit.services.compiled import CompiledVersions, wanted_language
from senderkit.services.connections import (
    ENVIRONMENT_ID,
    Connections,
    Route,
    find_environment_fault,
)
from senderkit.services.rounds import Hold, Next, Past, RoundOver, Wait
from senderkit.services.sending import stored_envelope
from senderkit.services.steps import Beginning, Change
from senderkit.services.surroundings import find_surroundings

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """A provider call, ready but for the attachments, which are read when it is made.

    `attachment_bytes` is None when there are none. `failed_rounds` of the message went before.
    """

    beginning: Beginning
    outgoing: Outgoing
    choice: Next
    failed_rounds: int
    attachment_bytes: int | None

    @property
    def route(self) -> Route:
        return self.choice.route

    @property
    def claim(self) -> Claim:
        return self.beginning.claim


Prepared = Call | Change | Place | RoundOver
"""A place is where the message is to wait: in another connection's lane, or longer in this one."""


_STOPPED: Final = {
    SuppressionReason.UNSUBSCRIBED: (
        MessageStatus.OPTED_OUT,
        "The recipient has opted out of this workspace's messages on this channel.",
    ),
    SuppressionReason.COMPLAINED: (
        MessageStatus.OPTED_OUT,
        "The recipient has reported an earlier message as unwanted.",
    ),
    SuppressionReason.MANUAL: (
        MessageStatus.OPTED_OUT,
        "The recipient was put on the suppression list by hand.",
    ),
    SuppressionReason.BOUNCED: (
        MessageStatus.SUPPRESSED,
        "An earlier message to this address bounced for good, so it is on the suppression list.",
    ),
}
"""How a message ends whose recipient is on the list, by the reason for that."""


@dataclass(frozen=True, slots=True)
class _Circumstances:
    """What the database says about a live message. Without `routes` nothing delivers it."""

    suppression: SuppressionReason | None
    routes: tuple[Route, ...]
    attachment_bytes: int | None


@dataclass(frozen=True, slots=True)
class _Found:
    """What was looked up for a batch: by message of those that are live, and by version."""

    circumstances: Mapping[int, _Circumstances | Exception]
    surroundings: Mapping[int, Surroundings]


class Preparing:
    """Prepares claimed messages. `unsubscribe_url` is the public address of unsubscribe links."""

    def __init__(
        self,
        reader: Engine,
        compiled: CompiledVersions,
        connections: Connections,
        breakers: Breakers,
        signer: Signer,
        unsubscribe_url: str,
        clock: Clock,
    ) -> None:
        self._reader = reader
        self._compiled = compiled
        self._connections = connections
        self._breakers = breakers
        self._signer = signer
        self._unsubscribe_url = unsubscribe_url
        self._clock = clock
        self._loading = threading.Lock()

    def prepare(self, claims: Sequence[tuple[Claim, Past]]) -> Iterator[tuple[Claim, Prepared]]:
        """What is to be done about each message, one after the other.

        A message that cannot be prepared, whatever it stirs up, fails by itself. Raises only when
        the database cannot be used.
        """
        found = _Found(
            self._look_up([claim for claim, _ in claims if claim.mode is Mode.LIVE]),
            self._find_surroundings([claim for claim, _ in claims]),
        )
        for claim, past in claims:
            with bound_contextvars(message_id=claim.public_id):
                prepared = self._guarded(claim, past, found)
            yield claim, prepared

    def _guarded(self, claim: Claim, past: Past, found: _Found) -> Prepared:
        try:
            return self._prepared(claim, past, found)
        except TemplateError as error:
            reason = f"The template cannot be rendered: {error}"
        except Exception as error:  # the guard around one message
            if is_outage(error):
                raise
            _log.exception("message_not_prepared")
            name = type(error).__name__
            reason = f"An unexpected error stopped this message ({name}). It was logged."
        return steps.ended(claim, MessageStatus.FAILED, reason, self._clock())

    def _prepared(self, claim: Claim, past: Past, found: _Found) -> Prepared:
        if claim.mode is Mode.TEST:
            return self._simulated(claim, found)
        circumstances = found.circumstances[claim.id]
        if isinstance(circumstances, Exception):
            raise circumstances
        return self._routed(claim, past, circumstances, found)

    def _simulated(self, claim: Claim, found: _Found) -> Change:
        rendered, now = render_output(self._render(claim, found).body), self._clock()
        outcome = simulator.outcome_for(claim.channel, claim.recipient_key)
        if outcome.is_delayed and claim.attempts == 0:
            delay = simulator.DELAY_SECONDS
            return steps.simulated_delay(claim, rendered, outcome.reason, delay, now)
        if outcome.status is MessageStatus.DELIVERED:
            return steps.simulated_delivery(claim, rendered, now)
        if outcome.status is MessageStatus.OPTED_OUT:  # such a message is never rendered
            return steps.ended(claim, outcome.status, outcome.reason, now)
        return steps.ended(claim, outcome.status, outcome.reason, now, rendered=rendered)

    def _routed(
        self, claim: Claim, past: Past, circumstances: _Circumstances, found: _Found
    ) -> Prepared:
        now = self._clock()
        if circumstances.suppression is not None:
            status, reason = _STOPPED[circumstances.suppression]
            return steps.ended(claim, status, reason, now)
        if not circumstances.routes:
            reason = f"No provider is connected that can deliver {claim.channel.value}."
            return steps.held(claim, None, reason, now)
        return self._chosen(claim, past, circumstances, found)

    def _chosen(
        self, claim: Claim, past: Past, circumstances: _Circumstances, found: _Found
    ) -> Prepared:
        choice = rounds.choose(circumstances.routes, past, claim.round, self._breakers, claim.id)
        if isinstance(choice, Hold):
            return steps.held(claim, choice.connection_id, choice.reason, self._clock())
        if isinstance(choice, Wait):
            return Place(claim.lane, choice.until)
        if isinstance(choice, RoundOver):
            return choice
        if choice.route.connection_id != claim.lane:
            return Place(choice.route.connection_id)
        outgoing, route = self._outgoing(claim, found), choice.route
        output = render_output(outgoing.body)
        beginning = Beginning(claim, route.connection_id, route.name, route.provider, output)
        failed_rounds = past.failed_rounds(claim.round)
        return Call(beginning, outgoing, choice, failed_rounds, circumstances.attachment_bytes)

    def _render(self, claim: Claim, found: _Found) -> Rendered:
        """The words of a message, in either mode. Raises `TemplateError`."""
        version_id = claim.template_version_id
        if version_id is not None:
            language = wanted_language(claim.request.get("locale"), claim.vars)
            content = self._compiled.get(version_id).in_language(language)
            return content.render(claim.vars, found.surroundings[version_id])
        content = claim.request["content"]
        if claim.request.get("interpolate"):
            return compile_content(claim.channel, content).interpolate(claim.vars)
        return Rendered(literal_body(claim.channel, content), ())

    def _outgoing(self, claim: Claim, found: _Found) -> Outgoing:
        """What an adapter takes, for a live message: it cannot be made for another."""
        return Outgoing(
            mode=claim.mode,
            message_id=claim.public_id,
            channel=claim.channel,
            recipient=claim.recipient,
            body=self._render(claim, found).body,
            envelope=stored_envelope(claim.request),
            list_unsubscribe_url=self._find_unsubscribe_url(claim),
            idempotency_key=claim.public_id,
        )

    def _find_unsubscribe_url(self, claim: Claim) -> str | None:
        if claim.channel is not Channel.EMAIL or _is_essential(claim):
            return None
        return f"{self._unsubscribe_url}/{self._signer.sign(claim.public_id)}"

    # -- what the database says -------------------------------------------------------------------

    def _find_surroundings(self, claims: Sequence[Claim]) -> dict[int, Surroundings]:
        ids = {claim.template_version_id for claim in claims} - {None}
        if not ids:
            return {}
        with self._reader.connect() as connection:
            return find_surroundings(connection, [id_ for id_ in ids if id_ is not None])

    def _look_up(self, claims: Sequence[Claim]) -> dict[int, _Circumstances | Exception]:
        """The circumstances of live messages by id: a few queries for all of them.

        If that fails each is looked up alone, and has what went wrong in place of the answer.
        """
        if not claims:
            return {}
        try:
            return dict(self._circumstances(claims))
        except Exception as error:
            if is_outage(error):
                raise
            if len(claims) == 1:
                return {claims[0].id: error}
        return {id_: found for claim in claims for id_, found in self._look_up([claim]).items()}

    def _circumstances(self, claims: Sequence[Claim]) -> Iterator[tuple[int, _Circumstances]]:
        with self._reader.connect() as connection:
            suppressed = suppressions.find_suppressed(connection, claims)
            sizes = _attachment_sizes(connection, [claim.id for claim in claims])
            keys = {_route_key(claim) for claim in claims}
            routes = {key: self._find_routes(connection, *key) for key in keys}
        for claim in claims:
            reason = suppressed.get(claim.id)
            if _is_essential(claim) and reason is not SuppressionReason.BOUNCED:
                reason = None
            size = sizes.get(claim.id)
            yield claim.id, _Circumstances(reason, routes[_route_key(claim)], size)

    def _find_routes(
        self,
        connection: Connection,
        workspace_id: int,
        channel: Channel,
        template_slug: str | None,
    ) -> tuple[Route, ...]:
        routes = self._connections.find_routes(connection, workspace_id, channel, template_slug)
        if not routes or routes[-1].connection_id != ENVIRONMENT_ID:
            return routes
        fault = find_environment_fault(connection, workspace_id)
        return (*routes[:-1], replace(routes[-1], broken_reason=fault))

    def load_attachments(self, message_id: int) -> tuple[Attachment, ...]:
        """The files of a message: read when it goes out, since they are large.

        One read at a time, so that many senders do not take every connection to the database.
        """
        statement = (
            select(MessageAttachment.__table__)
            .where(MessageAttachment.message_id == message_id)
            .order_by(MessageAttachment.position)
        )
        with self._loading, self._reader.connect() as connection:
            return tuple(
                Attachment(
                    row.filename, row.content_type, row.content, row.is_inline, row.content_id
                )
                for row in connection.execute(statement)
            )


def _is_essential(claim: Claim) -> bool:
    return bool(claim.request.get("essential"))


def _route_key(claim: Claim) -> tuple[int, Channel, str | None]:
    return claim.workspace_id, claim.channel, claim.template_slug


_SIZES: Final = (
    select(MessageAttachment.message_id, func.sum(func.length(MessageAttachment.content)))
    .where(MessageAttachment.message_id.in_(bindparam("ids", expanding=True)))
    .group_by(MessageAttachment.message_id)
)


def _attachment_sizes(connection: Connection, message_ids: Sequence[int]) -> dict[int, int]:
    """Bytes of all attachments together, by message id; none for a message without."""
    rows = connection.execute(_SIZES, {"ids": message_ids})
    return {row[0]: int(row[1]) for row in rows}
