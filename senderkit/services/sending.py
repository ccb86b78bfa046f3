"""A send: resolve what it needs, then hand it to the group commit in plain values.

Nothing is written here: a send is durable when `Sending.accept` returns or its `Pending` is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine

from senderkit.acceptance import (
    Acceptance,
    AcceptanceWriter,
    Accepted,
    Pending,
    already,
    find_earlier,
    wait_for,
)
from senderkit.commands import (
    RawSend,
    Recipient,
    TemplateSend,
    check_envelope_allowed,
    check_recipient,
    metadata_row,
)
from senderkit.domain import Channel, Clock, Envelope, Mode, new_public_id, new_uuid
from senderkit.errors import (
    ApiError,
    ChannelMismatch,
    Issue,
    ProviderNotConfigured,
)
from senderkit.services import templates
from senderkit.services.connections import Connections

ParseSend = Callable[[], TemplateSend | RawSend]


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose send it is: the workspace, the mode and the key of the request."""

    workspace_id: int
    mode: Mode
    api_key_id: int | None


class Sending:
    """Accepts sends. `reader` reads templates and routes, `writer` commits."""

    def __init__(
        self, reader: Engine, writer: AcceptanceWriter, connections: Connections, clock: Clock
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._connections = connections
        self._clock = clock

    def accept(
        self, sender: Sender, parse: ParseSend, *, idempotency_hash: str | None, body: bytes
    ) -> Accepted:
        """Accept the send that `parse` reads from `body`, and answer once it is durable.

        Raises `ApiError`s.
        """
        return wait_for(
            lambda on_done: self.submit(
                sender, parse, idempotency_hash=idempotency_hash, body=body, on_done=on_done
            )
        )

    def submit(
        self,
        sender: Sender,
        parse: ParseSend,
        *,
        idempotency_hash: str | None,
        body: bytes,
        on_done: Callable[[], None],
    ) -> Pending:
        """Accept a send without waiting: `on_done` is called once it is durable or has failed.

        A repeated idempotency key gets the first answer, whatever the repeated body says; so one
        that would be refused now is looked up before it is refused. Raises `ApiError`s.
        """
        body_hash = hashlib.sha256(body).hexdigest()
        try:
            acceptance = self._resolve(sender, parse())
        except ApiError:
            first = self._find_first_answer(sender, idempotency_hash, body_hash)
            if first is None:
                raise
            return already(first, on_done)
        keyed = _keyed(acceptance, idempotency_hash, body_hash, len(body))
        return self._writer.submit(keyed, on_done)

    def _find_first_answer(
        self, sender: Sender, key_hash: str | None, body_hash: str
    ) -> Accepted | None:
        if key_hash is None:
            return None
        livemode = sender.mode.livemode
        with self._reader.connect() as connection:
            found = find_earlier(connection, sender.workspace_id, livemode, key_hash)
        if found is None:
            return None
        answer, message_id, first_body_hash = found
        if first_body_hash != body_hash:
            self._writer.note_duplicates([message_id])
        return answer

    def _resolve(self, sender: Sender, command: TemplateSend | RawSend) -> dict[str, Any]:
        if isinstance(command, RawSend):
            return self._resolve_raw(sender, command)
        with self._reader.connect() as connection:
            return self._resolve_template(connection, sender, command)

    def _resolve_raw(self, sender: Sender, command: RawSend) -> dict[str, Any]:
        connection_id = None
        if sender.mode is Mode.LIVE:
            with self._reader.connect() as connection:
                connection_id = connection_now(
                    self._connections, connection, sender.workspace_id, command.channel
                )
        request = {"content": command.content, "interpolate": command.interpolate}
        values = self._common(sender, command, command.channel, command.to)
        return values | {
            "request": request | _envelope(command.envelope),
            "connection_id": connection_id,
        }

    def _resolve_template(
        self, connection: Connection, sender: Sender, command: TemplateSend
    ) -> dict[str, Any]:
        version = templates.resolve(
            connection, sender.workspace_id, command.template, command.version, sender.mode
        )
        if command.channel not in (None, version.channel):
            raise ChannelMismatch(
                f"The template '{version.slug}' is for {version.channel.value}.",
                [Issue("channel_mismatch", ("channel",), f"Must be {version.channel.value}.")],
            )
        check_envelope_allowed(version.channel, command)
        recipient = check_recipient(version.channel, command.to)
        connection_id = None
        if sender.mode is Mode.LIVE:
            connection_id = connection_now(
                self._connections, connection, sender.workspace_id, version.channel, version.slug
            )
        request: dict[str, Any] = {"essential": True} if version.is_essential else {}
        if command.locale:
            request["locale"] = command.locale
        return self._common(sender, command, version.channel, recipient) | {
            "template_slug": version.slug,
            "template_version": version.number,
            "template_version_id": version.version_id,
            "request": request | _envelope(command.envelope),
            "connection_id": connection_id,
        }

    def _common(
        self,
        sender: Sender,
        command: TemplateSend | RawSend,
        channel: Channel,
        recipient: Recipient,
    ) -> dict[str, Any]:
        return {
            "public_id": new_public_id("msg", self._clock()),
            "uuid": new_uuid(),
            "workspace_id": sender.workspace_id,
            "livemode": sender.mode.livemode,
            "api_key_id": sender.api_key_id,
            "channel": channel.value,
            "recipient": recipient.text,
            "recipient_key": recipient.key,
            "vars": command.vars,
            "metadata": command.metadata,
            "metadata_rows": tuple(metadata_row(*pair) for pair in command.metadata.items()),
            "scheduled_at": command.scheduled_at,
            "attachments": command.attachments,
            "from_override": from_override(command.envelope),
        }


def connection_now(
    connections: Connections,
    connection: Connection,
    workspace_id: int,
    channel: Channel,
    slug: str | None = None,
) -> str:
    """The connection that a live send would go through now. Raises `ProviderNotConfigured`."""
    route = connections.find_route(connection, workspace_id, channel, slug)
    if route is None:
        message = f"No provider is connected that can deliver {channel.value}."
        raise ProviderNotConfigured(message)
    return route.connection_id


def _keyed(
    values: dict[str, Any], idempotency_hash: str | None, body_hash: str, size_bytes: int
) -> Acceptance:
    return Acceptance(
        **values,
        idempotency_hash=idempotency_hash,
        body_hash=body_hash,
        size_bytes=size_bytes,
    )


def from_override(envelope: Envelope) -> str | None:
    """The sender that a send asked for instead of the connection's, for the log."""
    if envelope.from_address is None:
        return envelope.from_name
    if envelope.from_name is None:
        return envelope.from_address
    bare = envelope.from_address.rpartition("<")[2].rstrip("> ")
    return f"{envelope.from_name} <{bare}>"


def _envelope(envelope: Envelope) -> dict[str, Any]:
    """The given parts of an envelope, as they are stored with the message."""
    parts = {
        "from": envelope.from_address,
        "fromName": envelope.from_name,
        "cc": list(envelope.cc),
        "bcc": list(envelope.bcc),
        "replyTo": envelope.reply_to,
    }
    return {name: value for name, value in parts.items() if value}


def stored_envelope(request: Any) -> Envelope:
    """The envelope as `_envelope` stored it."""
    return Envelope(
        from_address=request.get("from"),
        from_name=request.get("fromName"),
        cc=tuple(request.get("cc", ())),
        bcc=tuple(request.get("bcc", ())),
        reply_to=request.get("replyTo"),
    )
