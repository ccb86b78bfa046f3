"""From a claimed message to what an adapter takes: suppression, rendering, route, envelope."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, select

from senderkit.crypto import Signer
from senderkit.domain import Attachment, Channel, Outgoing
from senderkit.errors import TemplateError
from senderkit.models import MessageAttachment
from senderkit.outbox import Claim
from senderkit.rendering import Rendered, compile_content, literal_body
from senderkit.services import suppressions
from senderkit.services.connections import Connections, Route
from senderkit.services.sending import stored_envelope
from senderkit.services.templates import CompiledVersions


@dataclass(frozen=True, slots=True)
class Prepared:
    """A live message made ready, or why it cannot be."""

    outgoing: Outgoing | None = None
    route: Route | None = None
    is_opted_out: bool = False
    fault: TemplateError | None = None


class Preparing:
    """Prepares claimed messages. `unsubscribe_url` is the public address of unsubscribe links."""

    def __init__(
        self,
        reader: Engine,
        compiled: CompiledVersions,
        connections: Connections,
        signer: Signer,
        unsubscribe_url: str,
    ) -> None:
        self._reader = reader
        self._compiled = compiled
        self._connections = connections
        self._signer = signer
        self._unsubscribe_url = unsubscribe_url

    def render(self, claim: Claim) -> Rendered:
        """The words of a message, in either mode. Raises `TemplateError`."""
        if claim.template_version_id is not None:
            return self._compiled.get(claim.template_version_id).render(claim.vars)
        content = claim.request["content"]
        if claim.request.get("interpolate"):
            return compile_content(claim.channel, content).interpolate(claim.vars)
        return Rendered(literal_body(claim.channel, content), ())

    def prepare(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Prepared]]:
        """Live messages only: an `Outgoing` cannot be made for another."""
        if not claims:
            return
        with self._reader.connect() as connection:
            stoppable = [claim for claim in claims if not _is_essential(claim)]
            opted_out = suppressions.find_suppressed(connection, stoppable)
            attachments = _attachments(connection, [claim.id for claim in claims])
            routes = {claim.id: self._find_route(connection, claim) for claim in claims}
        for claim in claims:
            if claim.id in opted_out:
                yield claim, Prepared(is_opted_out=True)
            else:
                yield claim, self._prepare(claim, routes[claim.id], attachments.get(claim.id, ()))

    def _find_route(self, connection: Connection, claim: Claim) -> Route | None:
        return self._connections.find_route(
            connection, claim.workspace_id, claim.channel, claim.template_slug
        )

    def _prepare(
        self, claim: Claim, route: Route | None, attachments: tuple[Attachment, ...]
    ) -> Prepared:
        try:
            body = self.render(claim).body
        except TemplateError as error:
            return Prepared(fault=error)
        outgoing = Outgoing(
            mode=claim.mode,
            message_id=claim.public_id,
            channel=claim.channel,
            recipient=claim.recipient,
            body=body,
            envelope=stored_envelope(claim.request),
            attachments=attachments,
            list_unsubscribe_url=self._find_unsubscribe_url(claim),
            idempotency_key=claim.public_id,
        )
        return Prepared(outgoing, route)

    def _find_unsubscribe_url(self, claim: Claim) -> str | None:
        if claim.channel is not Channel.EMAIL or _is_essential(claim):
            return None
        return f"{self._unsubscribe_url}/{self._signer.sign(claim.public_id)}"


def _is_essential(claim: Claim) -> bool:
    return bool(claim.request.get("essential"))


def _attachments(
    connection: Connection, message_ids: Sequence[int]
) -> dict[int, tuple[Attachment, ...]]:
    rows = connection.execute(
        select(MessageAttachment.__table__)
        .where(MessageAttachment.message_id.in_(message_ids))
        .order_by(MessageAttachment.message_id, MessageAttachment.position)
    )
    found: dict[int, tuple[Attachment, ...]] = {}
    for row in rows:
        attachment = Attachment(
            row.filename, row.content_type, row.content, row.is_inline, row.content_id
        )
        found[row.message_id] = (*found.get(row.message_id, ()), attachment)
    return found
