"""What a message says, per channel, in a raw send and in a template version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from senderkit.commands.attachments import AttachmentBodies
from senderkit.commands.fields import Subject, Wire, whole_number
from senderkit.commands.issues import IssueCode, collect, flaw, refuse
from senderkit.commands.limits import MAX_DATABASE_INTEGER, MAX_TEMPLATE_FIELD
from senderkit.commands.recipients import AddressText, Copies
from senderkit.domain import Channel, JsonObject
from senderkit.errors import Issue

Badge = Annotated[int, Field(ge=0, le=MAX_DATABASE_INTEGER), BeforeValidator(whole_number)]
Source = Annotated[str, Field(max_length=MAX_TEMPLATE_FIELD)]


class Content(Wire):
    """Common to all: unknown fields are ignored."""

    not_stored: ClassVar[frozenset[str]] = frozenset()

    def stored(self) -> JsonObject:
        """Ready to store as JSON under wire names, without what is absent."""
        return self.model_dump(by_alias=True, exclude_none=True, exclude=set(self.not_stored))


class RawEmailContent(Content):
    """An email as it goes out."""

    not_stored = frozenset({"cc", "bcc", "reply_to", "attachments"})

    subject: Subject
    html: str = Field(description="Sent exactly as given; may be empty.")
    preheader: str | None = None
    text: str | None = Field(None, description="Derived from `html` when absent.")
    cc: Copies | None = None
    bcc: Copies | None = None
    reply_to: AddressText | None = Field(None, alias="replyTo")
    attachments: AttachmentBodies | None = None


class SmsContent(Content):
    body: Annotated[str, Field(min_length=1, max_length=MAX_TEMPLATE_FIELD)]


class PushContent(Content):
    title: Source
    body: Source
    data: dict[str, str] | None = None
    badge: Badge | None = None
    sound: Source | None = None


class WebPushContent(Content):
    title: Source
    body: Source
    icon: Source | None = None
    click_url: Source | None = Field(None, alias="clickUrl")
    badge: Badge | None = Field(None, description="A count, not a URL.")
    data: dict[str, Any] | None = None


class EmailTemplateContent(Content):
    """An email's template: `html`, or `mjml` in its place."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in ("html", "mjml")
            ]
        }
    )

    subject: Subject
    mjml: Source | None = None
    html: Source | None = Field(None, validate_default=True, description="May be empty.")
    preheader: Source | None = None
    text: Source | None = Field(None, description="Derived from the HTML when absent.")

    @field_validator("html")
    @classmethod
    def _check_one_markup(cls, html: str | None, info: ValidationInfo) -> str | None:
        if "mjml" not in info.data:  # its own issue says it all
            return html
        if html is None and info.data["mjml"] is None:
            raise flaw(IssueCode.REQUIRED, "Give 'html' (it may be empty), or 'mjml'.")
        if html is not None and info.data["mjml"] is not None:
            raise flaw(IssueCode.INVALID_VALUE, "Give 'html' or 'mjml', not both.")
        return html


_TEMPLATE_CONTENTS: Final[Mapping[Channel, type[Content]]] = {
    Channel.EMAIL: EmailTemplateContent,
    Channel.SMS: SmsContent,
    Channel.PUSH: PushContent,
    Channel.WEB_PUSH: WebPushContent,
}


def check_template_content(channel: Channel, content: JsonObject) -> JsonObject:
    """`content` as a version of a `channel` template stores it.

    Raises `InvalidRequest` with issues below `content`. Mustache syntax is not looked at.
    """
    issues: list[Issue] = []
    checked = collect(_TEMPLATE_CONTENTS[channel], content, issues, at=("content",))
    if checked is None:
        refuse(issues)
    return checked.stored()
