"""A request to send -> `TemplateSend` or `RawSend`, or every issue at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from senderkit.commands.attachments import attachments_of
from senderkit.commands.fields import Command, MetadataValue
from senderkit.commands.issues import IssueCode, Path, collect, dotted, refuse
from senderkit.commands.limits import MAX_IDEMPOTENCY_KEY_BYTES
from senderkit.commands.recipients import Recipient, check_recipient
from senderkit.commands.send_bodies import (
    RAW_SEND_BODIES,
    AnyRawSendBody,
    RawEmailSendBody,
    TemplateSendBody,
    UnknownChannelSendBody,
)
from senderkit.domain import Attachment, Channel, Envelope, JsonObject
from senderkit.errors import EnvelopeNotSupported, InvalidRequest, Issue

IDEMPOTENCY_KEY_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "string",
    "maxLength": MAX_IDEMPOTENCY_KEY_BYTES,
}
_COPY_FIELDS: Final = ("cc", "bcc", "replyTo", "attachments")
_CHANNELS: Final[Mapping[str, Channel]] = {channel.value: channel for channel in Channel}
_ENVELOPE_FIELDS: Final = ("from", "fromName", *_COPY_FIELDS)


class _Send(Command):
    """What both kinds have in common.

    `scheduled_at` is aware, in UTC, and None for now. `envelope_paths` names the email-only fields
    that the request gave: see `check_envelope_allowed`.
    """

    vars: JsonObject
    metadata: Mapping[str, MetadataValue]
    scheduled_at: datetime | None
    envelope: Envelope
    attachments: tuple[Attachment, ...]
    envelope_paths: tuple[Path, ...]


class TemplateSend(_Send):
    """A send of the template with slug `template` (lower case).

    `to` is unread: once the channel is known, `check_recipient(channel, to)` reads it. When
    `channel` is given and is not email, the email-only fields were noted but not read.
    """

    template: str
    to: str
    version: int | None
    channel: Channel | None
    locale: str | None


class RawSend(_Send):
    """A send with its own `content`: camelCase JSON ready to store, without the envelope."""

    channel: Channel
    to: Recipient
    content: JsonObject
    interpolate: bool

    @property
    def recipient(self) -> str:
        return self.to.text

    @property
    def recipient_key(self) -> str:
        return self.to.key


def parse_send(body: dict[str, Any], *, now: datetime) -> TemplateSend | RawSend:
    """The body of `POST /v1/send`. Raises `InvalidRequest` or `EnvelopeNotSupported`."""
    body = _without_null(body, ("template", "content"))
    if "content" not in body:
        return _parse_template_send(body, now)
    if "template" not in body:
        return parse_raw_send(body, now=now)
    issues = [
        Issue(IssueCode.INVALID_VALUE, ("content",), "Give 'template' or 'content', not both.")
    ]
    _collect_template_send(_without(body, ("content",)), issues, now)
    refuse(issues)


def parse_raw_send(body: dict[str, Any], *, now: datetime) -> RawSend:
    """The body of `POST /v1/send-raw`. Raises `InvalidRequest` or `EnvelopeNotSupported`."""
    channel = _find_channel(body)
    issues: list[Issue] = []
    if channel is None:
        body = _without_empty(body, _COPY_FIELDS)
        collect(UnknownChannelSendBody, body, issues, context={"now": now})
        refuse(_with_hints(issues))
    if channel is Channel.EMAIL:
        paths: tuple[Path, ...] = ()
        body = _without_empty(body, _COPY_FIELDS)
    else:
        paths = tuple(_raw_envelope_paths(body))
        body = _without(body, _ENVELOPE_FIELDS)
    parsed = collect(RAW_SEND_BODIES[channel], body, issues, context={"now": now})
    if parsed is None:
        refuse([*_with_hints(issues), *_envelope_issues(channel, paths)])
    send = _raw_send(parsed, channel, paths)
    check_envelope_allowed(channel, send)
    return send


def check_envelope_allowed(channel: Channel, command: TemplateSend | RawSend) -> None:
    """Raise `EnvelopeNotSupported` when the command has email-only fields for another channel."""
    if channel is Channel.EMAIL or not command.envelope_paths:
        return
    names = ", ".join(dotted(path) for path in command.envelope_paths)
    raise EnvelopeNotSupported(
        f"Only email takes {names}; this message goes by {channel.value}.",
        list(_envelope_issues(channel, command.envelope_paths)),
    )


def parse_idempotency_key(value: str | None) -> str | None:
    """The SHA-256 (hex) of an `Idempotency-Key` header, or None without one.

    `value` is as WSGI gives it: each character one byte. Raises `InvalidRequest` past 512 bytes.
    """
    text = (value or "").strip(" \t")
    if not text:
        return None
    key = _header_bytes(text)
    if len(key) > MAX_IDEMPOTENCY_KEY_BYTES:
        message = f"The Idempotency-Key header must be 1 to {MAX_IDEMPOTENCY_KEY_BYTES} bytes long."
        raise InvalidRequest(message)
    return hashlib.sha256(key).hexdigest()


def _header_bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


# -- template sends -----------------------------------------------------------------------------


def _parse_template_send(body: dict[str, Any], now: datetime) -> TemplateSend:
    issues: list[Issue] = []
    parsed = _collect_template_send(body, issues, now)
    if parsed is None:
        refuse([_neither(issue) for issue in issues])
    return TemplateSend(
        template=parsed.template.lower(),
        to=parsed.to,
        version=parsed.version,
        channel=Channel(parsed.channel) if parsed.channel else None,
        vars=parsed.vars or {},
        locale=parsed.locale,
        metadata=parsed.metadata or {},
        scheduled_at=parsed.scheduled_at,
        envelope=_envelope(parsed, parsed),
        attachments=attachments_of(parsed.attachments),
        envelope_paths=tuple(_given(body, _ENVELOPE_FIELDS)),
    )


def _collect_template_send(
    body: dict[str, Any], issues: list[Issue], now: datetime
) -> TemplateSendBody | None:
    channel = _find_channel(body)
    if channel not in (None, Channel.EMAIL):
        body = _without(body, _ENVELOPE_FIELDS)
    parsed = collect(TemplateSendBody, body, issues, context={"now": now})
    if parsed is None and channel:
        _collect_recipient(channel, body.get("to"), issues)
    return parsed


def _collect_recipient(channel: Channel, to: object, issues: list[Issue]) -> None:
    """Since the request is refused anyway, say what is wrong with its recipient, too."""
    if not isinstance(to, str) or any(issue.path == ("to",) for issue in issues):
        return
    try:
        check_recipient(channel, to)
    except InvalidRequest as error:
        issues.extend(error.issues)


def _neither(issue: Issue) -> Issue:
    if issue.path != ("template",) or issue.code != IssueCode.REQUIRED:
        return issue
    message = "Give 'template', or 'content' with 'channel' for a raw send."
    return Issue(issue.code, issue.path, message)


# -- raw sends ----------------------------------------------------------------------------------


def _raw_send(parsed: AnyRawSendBody, channel: Channel, paths: tuple[Path, ...]) -> RawSend:
    envelope, attachments = Envelope(), None
    if isinstance(parsed, RawEmailSendBody):
        envelope = _envelope(parsed, parsed.content)
        attachments = parsed.content.attachments
    return RawSend(
        channel=channel,
        to=parsed.to,
        content=parsed.content.stored(),
        interpolate=bool(parsed.interpolate),
        vars=parsed.vars or {},
        metadata=parsed.metadata or {},
        scheduled_at=parsed.scheduled_at,
        envelope=envelope,
        attachments=attachments_of(attachments),
        envelope_paths=paths,
    )


def _raw_envelope_paths(body: Mapping[str, Any]) -> Iterator[Path]:
    yield from _given(body, _ENVELOPE_FIELDS)
    content = body.get("content")
    if isinstance(content, dict):
        yield from (("content", *path) for path in _given(content, _COPY_FIELDS))


def _with_hints(issues: list[Issue]) -> list[Issue]:
    return [_with_hint(issue) for issue in issues]


def _with_hint(issue: Issue) -> Issue:
    if issue.code != IssueCode.UNKNOWN_FIELD:
        return issue
    if issue.path == ("template",):
        message = "This takes raw content only: send templates with POST /v1/send."
        return Issue(issue.code, issue.path, message)
    if issue.path[0] in _COPY_FIELDS:
        return Issue(issue.code, issue.path, "In a raw send this belongs inside 'content'.")
    return issue


# -- both ---------------------------------------------------------------------------------------


def _find_channel(body: Mapping[str, Any]) -> Channel | None:
    name = body.get("channel")
    return _CHANNELS.get(name) if isinstance(name, str) else None


def _envelope(sender: Any, copies: Any) -> Envelope:
    return Envelope(
        from_address=sender.from_,
        from_name=sender.from_name,
        cc=tuple(copies.cc or ()),
        bcc=tuple(copies.bcc or ()),
        reply_to=copies.reply_to,
    )


def _is_absent(value: object) -> bool:
    return value is None or value == []


def _given(body: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[Path]:
    return ((name,) for name in names if not _is_absent(body.get(name)))


def _without(body: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    if any(name in body for name in names):
        return {name: value for name, value in body.items() if name not in names}
    return body


def _without_null(body: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return _without(body, tuple(name for name in names if body.get(name) is None))


def _without_empty(body: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    empty = tuple(name for name in names if name in body and _is_absent(body[name]))
    return _without(body, empty)


def _envelope_issues(channel: Channel, paths: tuple[Path, ...]) -> Iterator[Issue]:
    message = f"Only email takes this field; this message goes by {channel.value}."
    return (Issue(IssueCode.ENVELOPE_NOT_SUPPORTED, path, message) for path in paths)
