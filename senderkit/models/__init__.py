"""Tables, constraints and indexes, the same on SQLite and Postgres; no policy, no commit."""

from __future__ import annotations

from senderkit.models.base import NAMING_CONVENTION, Base, BigId, UtcDateTime
from senderkit.models.core import (
    ApiKey,
    Attempt,
    ChangeCounter,
    ChangeFollower,
    Connection,
    IdempotencyKey,
    Member,
    MemberSession,
    Message,
    MessageAttachment,
    MessageContent,
    MessageMetadata,
    Suppression,
    Template,
    TemplateVersion,
    TimelineEntry,
    Workspace,
)
from senderkit.models.resends import Resend
from senderkit.models.rollups import (
    FailureReason,
    FailureRollup,
    MessageFailure,
    Rollup,
    RollupCell,
)
from senderkit.models.search import MessageDocument
from senderkit.models.studio import Block, BlockVersion, TemplateAlias, Theme
from senderkit.models.webhooks import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)

__all__ = [
    "NAMING_CONVENTION",
    "ApiKey",
    "Attempt",
    "Base",
    "BigId",
    "Block",
    "BlockVersion",
    "ChangeCounter",
    "ChangeFollower",
    "Connection",
    "FailureReason",
    "FailureRollup",
    "IdempotencyKey",
    "Member",
    "MemberSession",
    "Message",
    "MessageAttachment",
    "MessageContent",
    "MessageDocument",
    "MessageFailure",
    "MessageMetadata",
    "Resend",
    "Rollup",
    "RollupCell",
    "Suppression",
    "Template",
    "TemplateAlias",
    "TemplateVersion",
    "Theme",
    "TimelineEntry",
    "UtcDateTime",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
    "Workspace",
]
