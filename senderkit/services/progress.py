"""A newcomer's way from the first key to the first live message: which steps are done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from senderkit.domain import MessageStatus
from senderkit.models import ApiKey, Message, Template, TemplateVersion
from senderkit.models import Connection as ProviderConnection
from senderkit.services.reports import has_messages, of_room


@dataclass(frozen=True, slots=True)
class Progress:
    """What really happened of the way."""

    has_key: bool
    has_test_message: bool
    has_connection: bool
    has_published: bool
    has_live_message: bool


def find_progress(
    connection: Connection, workspace_id: int, *, has_environment_connection: bool
) -> Progress:
    """Which steps are done, in either mode."""
    return Progress(
        has_key=_exists(connection, select(ApiKey.id).where(ApiKey.workspace_id == workspace_id)),
        has_test_message=has_messages(connection, workspace_id, livemode=False),
        has_connection=has_environment_connection
        or _exists(
            connection,
            select(ProviderConnection.id).where(ProviderConnection.workspace_id == workspace_id),
        ),
        has_published=_exists(
            connection,
            select(TemplateVersion.id)
            .join(Template, Template.id == TemplateVersion.template_id)
            .where(
                Template.workspace_id == workspace_id, TemplateVersion.published_at.is_not(None)
            ),
        ),
        has_live_message=_was_handed_over(connection, workspace_id),
    )


def _was_handed_over(connection: Connection, workspace_id: int) -> bool:
    """Whether any live message reached a provider."""
    live = select(Message.id).where(*of_room(workspace_id, livemode=True))
    taken = (MessageStatus.SENT, MessageStatus.DELIVERED)
    return any(_exists(connection, live.where(Message.status == status.value)) for status in taken)


def _exists(connection: Connection, statement: Any) -> bool:
    return connection.execute(statement.limit(1)).first() is not None
