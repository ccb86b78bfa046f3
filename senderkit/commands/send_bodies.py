"""The bodies of `POST /v1/send` and `POST /v1/send-raw` as they come over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, RootModel

from senderkit.commands.attachments import AttachmentBodies
from senderkit.commands.content import PushContent, RawEmailContent, SmsContent, WebPushContent
from senderkit.commands.fields import (
    ChannelName,
    FromName,
    Locale,
    Metadata,
    ScheduledAt,
    Vars,
    Version,
    WireBody,
)
from senderkit.commands.limits import MAX_RECIPIENT, MAX_SLUG
from senderkit.commands.recipients import (
    AddressText,
    Copies,
    EmailRecipient,
    PhoneRecipient,
    PushRecipient,
    SenderText,
    WebPushRecipient,
)
from senderkit.domain import Channel


class _SendBody(WireBody):
    vars: Vars | None = None
    metadata: Metadata | None = None
    scheduled_at: ScheduledAt = Field(None, alias="scheduledAt")


class TemplateSendBody(_SendBody):
    """A send of a stored template."""

    template: str = Field(
        min_length=1,
        max_length=MAX_SLUG,
        description="The template's slug, in any case.",
        examples=["welcome"],
    )
    to: str = Field(
        min_length=1,
        max_length=MAX_RECIPIENT,
        description=(
            "The recipient, as the template's channel has it: an email address, an E.164 number, "
            "a device token, or the JSON text of a PushSubscription."
        ),
        examples=["ada@example.com"],
    )
    version: Version | None = Field(
        None, description="Pins a version; otherwise live sends the published, test the newest."
    )
    channel: ChannelName | None = Field(None, description="Must be the template's, if given.")
    locale: Locale | None = None
    from_: SenderText | None = Field(None, alias="from")
    from_name: FromName | None = Field(None, alias="fromName")
    cc: Copies | None = Field(None, description="Email only.")
    bcc: Copies | None = Field(None, description="Email only.")
    reply_to: AddressText | None = Field(None, alias="replyTo")
    attachments: AttachmentBodies | None = Field(None, description="Email only.")


class _RawSendBody(_SendBody):
    interpolate: bool | None = Field(
        None, description="Fill variables in; by default the content goes out exactly as given."
    )


class RawEmailSendBody(_RawSendBody):
    """An email without a template."""

    channel: Literal["email"]
    to: EmailRecipient
    content: RawEmailContent
    from_: SenderText | None = Field(None, alias="from")
    from_name: FromName | None = Field(None, alias="fromName")


class RawSmsSendBody(_RawSendBody):
    """A text message without a template."""

    channel: Literal["sms"]
    to: PhoneRecipient
    content: SmsContent


class RawPushSendBody(_RawSendBody):
    """A mobile push message without a template."""

    channel: Literal["push"]
    to: PushRecipient
    content: PushContent


class RawWebPushSendBody(_RawSendBody):
    """A browser push message without a template."""

    channel: Literal["web-push"]
    to: WebPushRecipient
    content: WebPushContent


class UnknownChannelSendBody(_RawSendBody):
    """What can be checked of a raw send whose channel is missing or unknown."""

    channel: ChannelName
    to: str
    content: dict[str, Any]
    from_: Any = Field(None, alias="from")
    from_name: Any = Field(None, alias="fromName")


AnyRawSendBody = RawEmailSendBody | RawSmsSendBody | RawPushSendBody | RawWebPushSendBody

RAW_SEND_BODIES: Final[Mapping[Channel, type[AnyRawSendBody]]] = {
    Channel.EMAIL: RawEmailSendBody,
    Channel.SMS: RawSmsSendBody,
    Channel.PUSH: RawPushSendBody,
    Channel.WEB_PUSH: RawWebPushSendBody,
}


class RawSendBody(RootModel[Annotated[AnyRawSendBody, Field(discriminator="channel")]]):
    """A send that brings its own content. For the OpenAPI document."""


class SendBody(RootModel[TemplateSendBody | RawSendBody]):
    """A template send or a raw send. For the OpenAPI document."""
