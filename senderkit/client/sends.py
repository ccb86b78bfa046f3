"""What can be sent: the request classes, and how each of them is written on the wire.

They may be changed after they are made (the published client's can be), so they are not frozen.
Field names are the wire's in snake case; a field that is None is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final


class Channel(StrEnum):
    """How a message reaches people."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
    WEB_PUSH = "web-push"


ChannelLike = Channel | str
ScheduledAt = str | datetime
"""ISO 8601 text with an offset, or an aware datetime; in the future, at most 30 days out."""

Vars = Mapping[str, Any]
Metadata = Mapping[str, str | int | float | bool]


@dataclass
class Attachment:
    """A file of an email; `content` is base64. All of one email: at most 10 MB decoded."""

    filename: str
    content_type: str
    content: str
    inline: bool | None = None
    content_id: str | None = None

    @classmethod
    def from_bytes(
        cls,
        filename: str,
        data: bytes,
        content_type: str | None = None,
        *,
        inline: bool | None = None,
        content_id: str | None = None,
    ) -> Attachment:
        """An attachment of raw bytes; its type is guessed from the name unless given.

        >>> Attachment.from_bytes("report.txt", b"All is well.")
        Attachment(filename='report.txt', content_type='text/plain', content='QWxsIGlzIHdlbGwu', \
inline=None, content_id=None)
        """
        import base64  # noqa: PLC0415 - rarely needed, and importing the client stays quick
        import mimetypes  # noqa: PLC0415

        guessed = content_type or mimetypes.guess_type(filename)[0] or "application/octet-stream"
        encoded = base64.b64encode(data).decode("ascii")
        return cls(filename, guessed, encoded, inline=inline, content_id=content_id)


@dataclass
class EmailContent:
    """The content of an email."""

    subject: str
    html: str
    preheader: str | None = None
    text: str | None = None
    cc: Sequence[str] | None = None
    bcc: Sequence[str] | None = None
    reply_to: str | None = None
    attachments: Sequence[Attachment] | None = None


@dataclass
class SmsContent:
    """The content of a text message."""

    body: str


@dataclass
class PushContent:
    """The content of a mobile push message."""

    title: str
    body: str
    data: Mapping[str, str] | None = None
    badge: int | None = None
    sound: str | None = None


@dataclass
class WebPushContent:
    """The content of a browser push message."""

    title: str
    body: str
    icon: str | None = None
    click_url: str | None = None
    data: Mapping[str, str] | None = None
    badge: int | None = None


Content = EmailContent | SmsContent | PushContent | WebPushContent


@dataclass
class TemplateSend:
    """A send of a stored template; from `version` on, everything may be left out.

    `from_`, `from_name`, `cc`, `bcc`, `reply_to` and `attachments` are for email only.
    """

    template: str
    to: str
    vars: Vars | None = None
    version: int | None = None
    channel: ChannelLike | None = None
    metadata: Metadata | None = None
    scheduled_at: ScheduledAt | None = None
    cc: Sequence[str] | None = None
    bcc: Sequence[str] | None = None
    reply_to: str | None = None
    attachments: Sequence[Attachment] | None = None
    from_: str | None = None
    from_name: str | None = None
    idempotency_key: str | None = None
    locale: str | None = None


@dataclass
class RawSend:
    """A send that brings its own content; `channel` follows from the content's class."""

    to: str
    content: Content | Mapping[str, Any]
    channel: ChannelLike | None = None
    from_: str | None = None
    from_name: str | None = None
    interpolate: bool | None = None
    vars: Vars | None = None
    metadata: Metadata | None = None
    scheduled_at: ScheduledAt | None = None
    idempotency_key: str | None = None


Send = TemplateSend | RawSend

_CHANNELS: Final[tuple[tuple[type[Content], Channel], ...]] = (
    (EmailContent, Channel.EMAIL),
    (SmsContent, Channel.SMS),
    (PushContent, Channel.PUSH),
    (WebPushContent, Channel.WEB_PUSH),
)


def channel_of(content: object) -> Channel:
    """The channel that a content class belongs to; `TypeError` for anything else."""
    for kind, channel in _CHANNELS:
        if isinstance(content, kind):
            return channel
    raise TypeError(
        f"content must be an EmailContent, SmsContent, PushContent or WebPushContent, or a mapping "
        f"with channel= beside it, not {type(content).__name__}"
    )


# -- on the wire --------------------------------------------------------------------------------

_OBJECTS: Final = (EmailContent, SmsContent, PushContent, WebPushContent, Attachment)
_PLAIN: Final = frozenset({str, int, float, bool, dict})
"""What is most often there, and stays as it is."""


def send_body(send: Send) -> bytes:
    """The JSON body of a send. Raises `TypeError` or `ValueError` for what JSON cannot hold."""
    if not isinstance(send, TemplateSend | RawSend):
        raise TypeError(f"a send is a TemplateSend or a RawSend, not {type(send).__name__}")
    fields = wire_object(send)
    fields.pop("idempotencyKey", None)
    if isinstance(send, RawSend) and send.channel is None:
        fields["channel"] = channel_of(send.content)
    return json_body(fields)


_encode: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def json_body(value: Mapping[str, Any]) -> bytes:
    return _encode(value).encode("ascii")


def wire_object(value: object) -> dict[str, Any]:
    """The fields of one of the classes above by their wire names, those that are None left out."""
    return {
        wire_name(name): wire_value(item) for name, item in vars(value).items() if item is not None
    }


@cache
def wire_name(name: str) -> str:
    """`replyTo` of `reply_to`, `from` of `from_`."""
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.title() for word in rest)


def wire_value(value: object) -> object:
    """Times as ISO 8601 text, classes as objects; what people made themselves stays as it is."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, _OBJECTS):
        return wire_object(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        return [wire_value(item) for item in value]
    return value
