"""One message with everything that its page shows, read in one go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from senderkit.domain import Channel, MessageStatus
from senderkit.models import ApiKey, Member, Message, MessageAttachment
from senderkit.services.reports import (
    MessageView,
    find_rendered,
    find_request,
    get_message,
)
from senderkit.services.resends import Repetition, find_original, list_repetitions


@dataclass(frozen=True, slots=True)
class SendingKey:
    """The API key that a message was sent with."""

    public_id: str
    name: str


@dataclass(frozen=True, slots=True)
class ListedAttachment:
    """A file of a message, without its content."""

    position: int
    filename: str
    content_type: str
    size_bytes: int
    is_inline: bool


@dataclass(frozen=True, slots=True)
class InlineImage:
    """A picture that comes with an email."""

    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class MessageDetails:
    """A message, its timeline and its heavy half.

    `request` is what was asked for beyond the template; `rendered` is the output as it was handed
    over, None while there is none. `actors` names who is behind the ids on the timeline. It repeats
    the `original`, and the `repetitions` repeat it.
    """

    view: MessageView
    request: Mapping[str, Any]
    rendered: Mapping[str, Any] | None
    attachments: tuple[ListedAttachment, ...]
    key: SendingKey | None
    actors: Mapping[str, str]
    original: Repetition | None = None
    repetitions: tuple[Repetition, ...] = ()

    @property
    def channel(self) -> Channel:
        return Channel(self.view.row.channel)

    @property
    def status(self) -> MessageStatus:
        return MessageStatus(self.view.row.status)


def get_details(
    connection: Connection, workspace_id: int, livemode: bool, public_id: str
) -> MessageDetails:
    """Raises `NotFound`, for another workspace's or mode's message too."""
    view = get_message(connection, workspace_id, livemode, public_id)
    message_id = view.row.id
    named = {entry.detail.get("by") for entry in view.timeline}
    return MessageDetails(
        view=view,
        request=find_request(connection, message_id),
        rendered=find_rendered(connection, message_id),
        attachments=_list_attachments(connection, message_id),
        key=_find_key(connection, message_id),
        actors=_actors(connection, workspace_id, {str(name) for name in named if name}),
        original=find_original(connection, message_id),
        repetitions=list_repetitions(connection, message_id),
    )


def list_inline_images(connection: Connection, message_id: int) -> dict[str, InlineImage]:
    """Content id -> picture, of the files that an email shows in its HTML."""
    rows = connection.execute(
        select(
            MessageAttachment.content_id,
            MessageAttachment.content_type,
            MessageAttachment.content,
        ).where(
            MessageAttachment.message_id == message_id,
            MessageAttachment.content_id.is_not(None),
            MessageAttachment.content_type.startswith("image/"),
        )
    )
    return {row[0]: InlineImage(row[1], row[2]) for row in rows if row[0]}


def _find_key(connection: Connection, message_id: int) -> SendingKey | None:
    row = connection.execute(
        select(ApiKey.public_id, ApiKey.name)
        .join(Message, Message.api_key_id == ApiKey.id)
        .where(Message.id == message_id)
    ).one_or_none()
    return None if row is None else SendingKey(row[0], row[1])


def _list_attachments(connection: Connection, message_id: int) -> tuple[ListedAttachment, ...]:
    rows = connection.execute(
        select(
            MessageAttachment.position,
            MessageAttachment.filename,
            MessageAttachment.content_type,
            func.length(MessageAttachment.content),
            MessageAttachment.is_inline,
        )
        .where(MessageAttachment.message_id == message_id)
        .order_by(MessageAttachment.position)
    )
    return tuple(ListedAttachment(*row) for row in rows)


def _actors(connection: Connection, workspace_id: int, ids: Iterable[str]) -> dict[str, str]:
    """Public id -> name of a key or address of a person; ids that are neither are left out."""
    wanted = sorted(ids)
    if not wanted:
        return {}
    people = select(Member.public_id, Member.email).where(
        Member.workspace_id == workspace_id, Member.public_id.in_(wanted)
    )
    keys = select(ApiKey.public_id, ApiKey.name).where(
        ApiKey.workspace_id == workspace_id, ApiKey.public_id.in_(wanted)
    )
    found = [*connection.execute(people), *connection.execute(keys)]
    return {row[0]: row[1] for row in found}
