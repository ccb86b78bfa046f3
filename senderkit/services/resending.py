"""Sending messages again: each becomes a new message that is accepted like every other.

It has the recipient, words, values and files of the old one; its connection, and whether the
recipient may be written to, are decided anew. A batch has a name, and each message is sent again at
most once under it: a form that is posted twice, or went on after a failure, doubles nothing.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Engine, Row, select

from senderkit import crypto
from senderkit.acceptance import (
    WAIT_SECONDS,
    Acceptance,
    AcceptanceWriter,
    Accepted,
    Pending,
    Repeat,
)
from senderkit.commands import SendAgain, metadata_row
from senderkit.domain import PENDING, Attachment, Channel, Clock, Mode, new_public_id, new_uuid
from senderkit.errors import ApiError
from senderkit.models import Message, MessageAttachment, MessageContent
from senderkit.services import resends, templates
from senderkit.services.connections import Connections
from senderkit.services.reports import of_room
from senderkit.services.sending import connection_now
from senderkit.services.templates import ResolvedVersion

_AT_A_TIME: Final = 50
_MOST_WAITING_BYTES: Final = 16 * 1024 * 1024
"""Beyond so much a batch waits for its commits before it reads on."""

_COLUMNS: Final = (
    Message.id,
    Message.public_id,
    Message.status,
    Message.channel,
    Message.recipient,
    Message.recipient_key,
    Message.template_slug,
    Message.template_version,
    Message.vars,
    Message.metadata_,
    Message.from_override,
    MessageContent.request,
)
NOT_ENDED: Final = "It has not ended yet."
SENT_ALREADY: Final = "It was sent again already."
UNKNOWN: Final = "There is no such message."


@dataclass(frozen=True, slots=True)
class Repeater:
    """Who sends again, where, and under which name; without a member it is the shell."""

    workspace_id: int
    mode: Mode
    batch: str
    member_id: int | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """New public ids by the old ones, and how many were left out, by the reason."""

    sent: dict[str, str]
    left_out: Counter[str]


def new_batch(nonce: str) -> str:
    """The name of all that the form with this single-use number sends again."""
    return crypto.hash_secret(f"send again {nonce}")


class Resending:
    """Sends messages again. `reader` reads what they were, `writer` commits."""

    def __init__(
        self, reader: Engine, writer: AcceptanceWriter, connections: Connections, clock: Clock
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._connections = connections
        self._clock = clock

    def send_again(
        self, who: Repeater, command: SendAgain, *, leaves_out_repeated: bool = False
    ) -> Outcome:
        """Send the messages that can be sent again, and count the others.

        With `leaves_out_repeated` those are not sent that another batch has sent again. Raises
        `ServiceUnavailable`; what was sent by then is not sent twice by another try.
        """
        outcome = Outcome({}, Counter())
        for start in range(0, len(command.ids), _AT_A_TIME):
            ids = command.ids[start : start + _AT_A_TIME]
            waiting = _Waiting(self._writer)
            for public_id, found in self._prepare(who, command, ids, leaves_out_repeated):
                if isinstance(found, Acceptance):
                    waiting.add(public_id, found)
                else:
                    outcome.left_out[found] += 1
            outcome.sent.update(waiting.finish())
        return outcome

    def _prepare(
        self, who: Repeater, command: SendAgain, ids: Sequence[str], leaves_out_repeated: bool
    ) -> Iterator[tuple[str, Acceptance | str]]:
        """What is to be accepted for each message, or why it is left out."""
        with self._reader.connect() as connection:
            rows = _load(connection, who, ids)
            repeated = set[int]()
            if leaves_out_repeated:
                found = [row.id for row in rows.values()]
                repeated = resends.ids_sent_again(connection, found, but_by=who.batch)
        for public_id in ids:
            row = rows.get(public_id)
            if row is None:
                yield public_id, UNKNOWN
            elif row.status in PENDING:
                yield public_id, NOT_ENDED
            elif row.id in repeated:
                yield public_id, SENT_ALREADY
            else:
                yield public_id, self._guarded(who, command, row)

    def _guarded(self, who: Repeater, command: SendAgain, row: Row[Any]) -> Acceptance | str:
        try:
            with self._reader.connect() as connection:
                return self._acceptance(connection, who, command, row)
        except ApiError as error:
            return error.message

    def _acceptance(
        self, connection: Connection, who: Repeater, command: SendAgain, row: Row[Any]
    ) -> Acceptance:
        """Raises `ApiError`s for what cannot be sent now."""
        version = _version(connection, who, command, row)
        route = None
        if who.mode is Mode.LIVE:
            route = connection_now(
                self._connections,
                connection,
                who.workspace_id,
                Channel(row.channel),
                row.template_slug,
            )
        attachments = _attachments(connection, row.id)
        request = _request(row.request, version)
        return Acceptance(
            public_id=new_public_id("msg", self._clock()),
            uuid=new_uuid(),
            workspace_id=who.workspace_id,
            livemode=who.mode.livemode,
            channel=row.channel,
            recipient=row.recipient,
            recipient_key=row.recipient_key,
            vars=row.vars,
            metadata=row.metadata,
            metadata_rows=tuple(metadata_row(*pair) for pair in row.metadata.items()),
            request=request,
            connection_id=route,
            template_slug=row.template_slug,
            template_version=version.number if version else None,
            template_version_id=version.version_id if version else None,
            from_override=row.from_override,
            attachments=attachments,
            idempotency_hash=crypto.hash_secret(f"{who.batch} {row.public_id}"),
            size_bytes=_size(row.vars, request, attachments),
            repeat=Repeat(
                of_message_id=row.id,
                of_public_id=row.public_id,
                batch=who.batch,
                reason=command.reason,
                member_id=who.member_id,
                by=who.by,
            ),
        )


class _Waiting:
    """Sends on their way to their commits; so many bytes at a time that memory stays small."""

    def __init__(self, writer: AcceptanceWriter) -> None:
        self._writer = writer
        self._pending: list[tuple[str, Pending, threading.Event]] = []
        self._bytes = 0
        self._answers: dict[str, str] = {}

    def add(self, public_id: str, acceptance: Acceptance) -> None:
        """Raises `ServiceUnavailable`."""
        done = threading.Event()
        pending = self._writer.submit(acceptance, done.set)
        self._pending.append((public_id, pending, done))
        self._bytes += acceptance.size_bytes
        if self._bytes > _MOST_WAITING_BYTES:
            self._wait()

    def finish(self) -> dict[str, str]:
        """New public ids by the old ones. Raises `ServiceUnavailable`."""
        self._wait()
        return self._answers

    def _wait(self) -> None:
        for public_id, pending, done in self._pending:
            done.wait(WAIT_SECONDS)
            answer: Accepted = pending.result()
            self._answers[public_id] = answer.public_id
        self._pending, self._bytes = [], 0


def find_current_version(
    connection: Connection, workspace_id: int, mode: Mode, slug: str
) -> int | None:
    """The number of the version that a send would take now; None when it would be refused."""
    try:
        return templates.resolve(connection, workspace_id, slug, None, mode).number
    except ApiError:
        return None


def _load(connection: Connection, who: Repeater, ids: Sequence[str]) -> dict[str, Row[Any]]:
    statement = (
        select(*_COLUMNS)
        .join(MessageContent, MessageContent.message_id == Message.id)
        .where(Message.public_id.in_(ids), *of_room(who.workspace_id, who.mode.livemode))
    )
    return {row.public_id: row for row in connection.execute(statement)}


def _version(
    connection: Connection, who: Repeater, command: SendAgain, row: Row[Any]
) -> ResolvedVersion | None:
    if row.template_slug is None:
        return None
    number = None if command.takes_current_version else row.template_version
    return templates.resolve(connection, who.workspace_id, row.template_slug, number, who.mode)


def _request(request: dict[str, Any], version: ResolvedVersion | None) -> dict[str, Any]:
    """What was asked for then; whether it is essential is what its template says now."""
    if version is None:
        return dict(request)
    kept = {name: value for name, value in request.items() if name != "essential"}
    return kept | {"essential": True} if version.is_essential else kept


def _attachments(connection: Connection, message_id: int) -> tuple[Attachment, ...]:
    statement = (
        select(MessageAttachment.__table__)
        .where(MessageAttachment.message_id == message_id)
        .order_by(MessageAttachment.position)
    )
    return tuple(
        Attachment(row.filename, row.content_type, row.content, row.is_inline, row.content_id)
        for row in connection.execute(statement)
    )


def _size(*parts: Any) -> int:
    values, request, attachments = parts
    return len(orjson.dumps([values, request])) + sum(len(each.content) for each in attachments)
