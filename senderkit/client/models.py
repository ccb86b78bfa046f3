"""Every request and answer class, under the module name that the published client has them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from senderkit.client.answers import (
    BatchResult,
    CancelResult,
    Context,
    Message,
    MessageList,
    RenderResult,
    SendResult,
    TemplateDetail,
    TemplateSummary,
    TemplateVariable,
    TemplateVersion,
    Workspace,
)
from senderkit.client.sends import (
    Attachment,
    Channel,
    ChannelLike,
    Content,
    EmailContent,
    Metadata,
    PushContent,
    RawSend,
    ScheduledAt,
    SmsContent,
    TemplateSend,
    Vars,
    WebPushContent,
)

if TYPE_CHECKING:
    from senderkit.client.inbound import (
        InboundAddress,
        InboundAttachment,
        InboundBytes,
        InboundDnsRecord,
        InboundDomain,
        InboundMessage,
        InboundMessageSummary,
    )

__all__ = [
    "Attachment",
    "BatchResult",
    "CancelResult",
    "Channel",
    "ChannelLike",
    "Content",
    "Context",
    "EmailContent",
    "InboundAddress",
    "InboundAttachment",
    "InboundBytes",
    "InboundDnsRecord",
    "InboundDomain",
    "InboundMessage",
    "InboundMessageSummary",
    "Message",
    "MessageList",
    "Metadata",
    "PushContent",
    "RawSend",
    "RenderResult",
    "ScheduledAt",
    "SendResult",
    "SmsContent",
    "TemplateDetail",
    "TemplateSend",
    "TemplateSummary",
    "TemplateVariable",
    "TemplateVersion",
    "Vars",
    "WebPushContent",
    "Workspace",
]


def __getattr__(name: str) -> Any:
    # Few receive mail, and importing the client stays quick.
    if name.startswith("Inbound") and name in __all__:
        from senderkit.client import inbound  # noqa: PLC0415

        return getattr(inbound, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
