"""An outgoing message -> an email that is safe to hand over, whatever the way it goes.

Everything that ends in a header is checked here, once for all email providers: a JSON API may
write a line break into a header as readily as a careless mail program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from senderkit.domain import Attachment, EmailBody, Outgoing
from senderkit.errors import Refused, Unsupported
from senderkit.providers.mailboxes import Mailbox, parse_mailbox, refuse_unsafe

MESSAGE_HEADER: Final = "X-SenderKit-Message"

_HEADER_NAME: Final = re.compile(r"[!-9;-~]{1,76}")
_CONTENT_TYPE: Final = re.compile(r"\s*([\w!#$&^.+-]+)/([\w!#$&^.+-]+)\s*(?:;.*)?", re.ASCII)
_CHARSET: Final = re.compile(r';\s*charset="?([\w.:-]+)"?', re.ASCII | re.IGNORECASE)
_CONTENT_ID: Final = re.compile(r"(?!.*=\?)[!-;=?-~]{1,500}")
_HTTP_URL: Final = re.compile(r"https?://[!-;=?-~]{1,900}")
_OWN_HEADERS: Final = frozenset(
    {
        *("from", "sender", "to", "cc", "bcc", "reply-to"),
        *("subject", "date", "message-id", "mime-version"),
        *("list-unsubscribe", "list-unsubscribe-post", MESSAGE_HEADER.lower()),
    }
)


@dataclass(frozen=True, slots=True)
class EmailFile:
    """A file of an email. `content_id` is bare; a file with one that `is_inline` is shown where
    the HTML names it."""

    filename: str
    maintype: str
    subtype: str
    charset: str | None
    content: bytes = field(repr=False)
    is_inline: bool
    content_id: str | None

    @property
    def content_type(self) -> str:
        """`text/plain; charset=utf-8`."""
        charset = f"; charset={self.charset}" if self.charset else ""
        return f"{self.maintype}/{self.subtype}{charset}"


@dataclass(frozen=True, slots=True)
class Email:
    """A checked email. `headers` are those that no field of its own stands for, in order."""

    message_id: str
    sender: Mailbox
    recipient: Mailbox
    cc: tuple[Mailbox, ...]
    bcc: tuple[Mailbox, ...]
    reply_to: Mailbox | None
    subject: str
    html: str
    text: str
    headers: Mapping[str, str]
    files: tuple[EmailFile, ...]


def distinct_copies(email: Email) -> tuple[list[Mailbox], list[Mailbox]]:
    """Cc and bcc, each address once in the whole message, for an API that would send it twice."""
    seen = {email.recipient.address.lower()}
    lists = []
    for mailboxes in (email.cc, email.bcc):
        fresh = {m.address.lower(): m for m in mailboxes if m.address.lower() not in seen}
        seen |= set(fresh)
        lists.append(list(fresh.values()))
    return lists[0], lists[1]


def read_email(outgoing: Outgoing, *, default_from: str) -> Email:
    """The email of `outgoing`; `default_from` is the connection's own sender.

    Raises `Unsupported` when the message is no email, `Refused` when a part of it cannot be said
    in one.
    """
    body = outgoing.body
    if not isinstance(body, EmailBody):
        raise Unsupported("This connection delivers email only.")
    refuse_unsafe(body.subject, "The Subject header")
    _refuse_unspeakable(body)
    envelope = outgoing.envelope
    return Email(
        message_id=outgoing.message_id,
        sender=_sender(outgoing, default_from),
        recipient=parse_mailbox(outgoing.recipient),
        cc=tuple(parse_mailbox(text) for text in envelope.cc),
        bcc=tuple(parse_mailbox(text) for text in envelope.bcc),
        reply_to=parse_mailbox(envelope.reply_to) if envelope.reply_to else None,
        subject=body.subject,
        html=body.html,
        text=body.text,
        headers=dict(_headers(outgoing)),
        files=tuple(_file(attachment) for attachment in outgoing.attachments),
    )


def _sender(outgoing: Outgoing, default_from: str) -> Mailbox:
    given = parse_mailbox(outgoing.envelope.from_address or default_from)
    name = outgoing.envelope.from_name or ""
    refuse_unsafe(name, "The from name")
    return Mailbox(name.strip() or given.name, given.local_part, given.domain)


def _refuse_unspeakable(body: EmailBody) -> None:
    try:
        (body.html + body.text).encode()
    except UnicodeEncodeError as error:
        raise Refused("The text of this message holds characters that cannot be sent.") from error


def _headers(outgoing: Outgoing) -> Iterator[tuple[str, str]]:
    refuse_unsafe(outgoing.message_id, f"The {MESSAGE_HEADER} header")
    yield MESSAGE_HEADER, outgoing.message_id
    if outgoing.list_unsubscribe_url is not None:
        if not _HTTP_URL.fullmatch(outgoing.list_unsubscribe_url):
            raise Refused("The unsubscribe link is not a plain web address.")
        yield "List-Unsubscribe", f"<{outgoing.list_unsubscribe_url}>"
        yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"
    for name, value in outgoing.headers.items():
        is_ours = name.lower() in _OWN_HEADERS or name.lower().startswith("content-")
        if is_ours or not _HEADER_NAME.fullmatch(name):
            raise Refused("An extra header has a name that cannot be used.")
        refuse_unsafe(value, f"The {name} header")
        yield name, value


def _file(attachment: Attachment) -> EmailFile:
    refuse_unsafe(attachment.filename, "The name of an attachment")
    maintype, subtype, charset = _content_type(attachment.content_type)
    content_id = attachment.content_id or None
    if content_id is not None and not _CONTENT_ID.fullmatch(content_id):
        raise Refused("The content id of an attachment is not valid.")
    return EmailFile(
        filename=attachment.filename,
        maintype=maintype,
        subtype=subtype,
        charset=charset,
        content=attachment.content,
        is_inline=attachment.inline,
        content_id=content_id,
    )


def _content_type(text: str) -> tuple[str, str, str | None]:
    refuse_unsafe(text, "The content type of an attachment")
    found = _CONTENT_TYPE.fullmatch(text)
    if not found:
        raise Refused("The content type of an attachment is not valid.")
    maintype, subtype = found[1].lower(), found[2].lower()
    if maintype in {"multipart", "message"}:
        # These may not be encoded as base64, so they travel as plain files.
        return "application", "octet-stream", None
    charset = _CHARSET.search(text)
    return maintype, subtype, charset[1] if charset else None
