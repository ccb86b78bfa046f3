"""A rendered email -> the exact bytes that go out, and the addresses they go to.

Bodies, attachments and multiparts come from the standard library. The header lines are written
here, because the library decodes encoded words (`=?utf-8?q?=0D=0A…?=`) that a value happens to
hold and, on older versions of Python, writes the line breaks it finds inside. It also encodes a
long URL, which mail clients then ignore.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Final, cast

from senderkit.domain import Attachment, EmailBody, Outgoing
from senderkit.errors import Refused, Unsupported

# Bodies are wrapped at 78 columns; the header lines of parts are left whole up to the limit of
# SMTP, because a folded Content-ID would be encoded.
_BODY_POLICY: Final = SMTP.clone(cte_type="7bit")
_LINE_LIMIT: Final = 998
_PHRASE_LIMIT: Final = 200
_OUTPUT_POLICY: Final = _BODY_POLICY.clone(max_line_length=_LINE_LIMIT)

_UNSAFE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LOCAL_PART: Final = re.compile(r'[^\s<>()\[\],;:\\"@]{1,64}')
_DOMAIN: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
    r"|\[[0-9a-z.:]+\]",
    re.IGNORECASE,
)
_LABEL_DOTS: Final = re.compile("[.\u3002\uff0e\uff61]")
_PLAIN_PHRASE: Final = re.compile(r"[\w!#$%&'*+/=?^`{|}~ -]+", re.ASCII)
_HEADER_NAME: Final = re.compile(r"[!-9;-~]{1,76}")
_CONTENT_TYPE: Final = re.compile(r"\s*([\w!#$&^.+-]+)/([\w!#$&^.+-]+)\s*(?:;.*)?", re.ASCII)
_CHARSET: Final = re.compile(r';\s*charset="?([\w.:-]+)"?', re.ASCII | re.IGNORECASE)
_CONTENT_ID: Final = re.compile(r"(?!.*=\?)[!-;=?-~]{1,500}")
_HTTP_URL: Final = re.compile(r"https?://[!-;=?-~]{1,900}")
_OWN_HEADERS: Final = frozenset(
    {
        *("from", "sender", "to", "cc", "bcc", "reply-to"),
        *("subject", "date", "message-id", "mime-version"),
        *("list-unsubscribe", "list-unsubscribe-post", "x-senderkit-message"),
    }
)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address that is safe in a header and on an SMTP line; `domain` is in ASCII."""

    name: str
    local_part: str
    domain: str

    @property
    def address(self) -> str:
        return f"{self.local_part}@{self.domain}"

    def for_header(self) -> str:
        """`Name <address>`, the name quoted or encoded as it needs to be."""
        return f"{_phrase(self.name)} <{self.address}>" if self.name else self.address


@dataclass(frozen=True, slots=True)
class MimeEmail:
    """One email as it goes over the wire, with its envelope.

    `copies` are the addresses of cc and bcc, each once; bcc is in no header. `content` ends
    every line with CRLF; it is ASCII unless `needs_utf8`.
    """

    sender: str
    recipient: str
    copies: tuple[str, ...]
    content: bytes

    @property
    def needs_utf8(self) -> bool:
        """Whether an address, in the envelope or in a header, needs SMTPUTF8 to be said."""
        addresses = (self.sender, self.recipient, *self.copies)
        return not (self.content.isascii() and all(a.isascii() for a in addresses))


def build_email(outgoing: Outgoing, *, default_from: str, at: datetime) -> MimeEmail:
    """The bytes and the envelope of `outgoing`, dated `at`.

    `default_from` is the connection's own sender. Raises `Unsupported` when the message is no
    email, `Refused` when a part of it cannot be said in one.
    """
    if not isinstance(outgoing.body, EmailBody):
        raise Unsupported("This connection delivers email only.")
    sender = _sender(outgoing, default_from)
    recipient = parse_mailbox(outgoing.recipient)
    cc = [parse_mailbox(text) for text in outgoing.envelope.cc]
    bcc = [parse_mailbox(text) for text in outgoing.envelope.bcc]
    lines = [*_address_lines(outgoing, sender, recipient, cc), *_other_lines(outgoing, sender, at)]
    head = "".join(f"{line}\r\n" for line in lines).encode()
    copies = dict.fromkeys(m.address for m in (*cc, *bcc) if m.address != recipient.address)
    return MimeEmail(
        sender=sender.address,
        recipient=recipient.address,
        copies=tuple(copies),
        content=head + _parts(outgoing.body, outgoing.attachments),
    )


def parse_mailbox(text: str) -> Mailbox:
    """Read a bare address or `Name <address>`. Raises `Refused`."""
    _refuse_unsafe(text, "An address")
    name, address = "", text.strip()
    if address.endswith(">"):
        name, _, address = address[:-1].rpartition("<")
    local_part, _, domain = address.strip().rpartition("@")
    domain = _ascii_domain(domain)
    if not _LOCAL_PART.fullmatch(local_part) or not _DOMAIN.fullmatch(domain):
        raise Refused("An address of this message is not a valid email address.")
    return Mailbox(_unquoted(name.strip()), local_part, domain)


# -- headers ----------------------------------------------------------------------------------


def _sender(outgoing: Outgoing, default_from: str) -> Mailbox:
    given = parse_mailbox(outgoing.envelope.from_address or default_from)
    name = outgoing.envelope.from_name or ""
    _refuse_unsafe(name, "The from name")
    return Mailbox(name.strip() or given.name, given.local_part, given.domain)


def _address_lines(
    outgoing: Outgoing, sender: Mailbox, recipient: Mailbox, cc: list[Mailbox]
) -> Iterator[str]:
    yield _address_line("From", [sender])
    yield _address_line("To", [recipient])
    if cc:
        yield _address_line("Cc", cc)
    if outgoing.envelope.reply_to:
        yield _address_line("Reply-To", [parse_mailbox(outgoing.envelope.reply_to)])


def _address_line(name: str, mailboxes: list[Mailbox]) -> str:
    return f"{name}: " + ",\r\n ".join(mailbox.for_header() for mailbox in mailboxes)


def _other_lines(outgoing: Outgoing, sender: Mailbox, at: datetime) -> Iterator[str]:
    body = cast(EmailBody, outgoing.body)
    yield _text_line("Subject", body.subject)
    yield f"Date: {format_datetime(at)}"
    yield _text_line("Message-ID", f"<{outgoing.message_id}@{sender.domain}>")
    yield _text_line("X-SenderKit-Message", outgoing.message_id)
    if outgoing.list_unsubscribe_url is not None:
        yield from _unsubscribe_lines(outgoing.list_unsubscribe_url)
    for name, value in outgoing.headers.items():
        yield _extra_line(name, value)


def _unsubscribe_lines(url: str) -> Iterator[str]:
    if not _HTTP_URL.fullmatch(url):
        raise Refused("The unsubscribe link is not a plain web address.")
    yield f"List-Unsubscribe: <{url}>"
    yield "List-Unsubscribe-Post: List-Unsubscribe=One-Click"


def _extra_line(name: str, value: str) -> str:
    is_ours = name.lower() in _OWN_HEADERS or name.lower().startswith("content-")
    if is_ours or not _HEADER_NAME.fullmatch(name):
        raise Refused("An extra header has a name that cannot be used.")
    return _text_line(name, value)


def _text_line(name: str, value: str) -> str:
    _refuse_unsafe(value, f"The {name} header")
    line = f"{name}: {value}"
    if line.isascii() and "=?" not in value and len(line) <= _LINE_LIMIT:
        return line
    return f"{name}: {_encoded(value, name)}"


def _encoded(value: str, header_name: str) -> str:
    # 74, because the library goes two over and an encoded word may have 75 characters.
    header = Header(value, "utf-8", header_name=header_name, maxlinelen=74)
    return header.encode(linesep="\r\n")


def _phrase(name: str) -> str:
    if not name.isascii() or "=?" in name or len(name) > _PHRASE_LIMIT:
        return _encoded(name, "Reply-To")
    if _PLAIN_PHRASE.fullmatch(name):
        return name
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def _unquoted(name: str) -> str:
    if re.fullmatch('".*"', name):
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    if re.search("[<>]", name):
        raise Refused("An address of this message is not a valid email address.")
    return name


def _ascii_domain(domain: str) -> str:
    if domain.isascii():
        return domain
    return ".".join(_ascii_label(label) for label in _LABEL_DOTS.split(domain))


def _ascii_label(label: str) -> str:
    # Not the library's "idna" codec: it follows the standard of 2003 and turns ß into ss, which
    # is another domain. Lower-cased one by one, so that no sigma becomes a final one.
    lowered = "".join(c.lower() for c in unicodedata.normalize("NFKC", label))
    if lowered.isascii():
        return lowered
    return "xn--" + lowered.encode("punycode").decode("ascii")


def _refuse_unsafe(value: str, subject: str) -> None:
    if _UNSAFE.search(value):
        raise Refused(f"{subject} holds a control character or a line break.")


# -- body and attachments ---------------------------------------------------------------------


def _parts(body: EmailBody, attachments: tuple[Attachment, ...]) -> bytes:
    """mixed(alternative(text, related(html, inline files)), attachments), headers included."""
    message = EmailMessage(policy=_BODY_POLICY)
    try:
        message.set_content(body.text)
        message.add_alternative(body.html, subtype="html")
    except UnicodeEncodeError as error:
        raise Refused("The text of this message holds characters that cannot be sent.") from error
    html = cast(list[EmailMessage], message.get_payload())[-1]
    for attachment in attachments:
        if attachment.inline and attachment.content_id:
            html.add_related(attachment.content, **_file_headers(attachment))
        else:
            message.add_attachment(attachment.content, **_file_headers(attachment))
    return message.as_bytes(policy=_OUTPUT_POLICY)


def _file_headers(attachment: Attachment) -> dict[str, Any]:
    """What the library needs to describe a file, in words that it writes as they are."""
    _refuse_unsafe(attachment.filename, "The name of an attachment")
    maintype, subtype, params = _content_type(attachment.content_type)
    headers: dict[str, Any] = {
        "maintype": maintype,
        "subtype": subtype,
        "params": params,
        "disposition": "inline" if attachment.inline else "attachment",
        # The library would decode an encoded word in a name, line breaks included.
        "filename": attachment.filename.replace("=?", "=_"),
    }
    if attachment.content_id:
        if not _CONTENT_ID.fullmatch(attachment.content_id):
            raise Refused("The content id of an attachment is not valid.")
        headers["cid"] = f"<{attachment.content_id}>"
    return headers


def _content_type(text: str) -> tuple[str, str, dict[str, str]]:
    _refuse_unsafe(text, "The content type of an attachment")
    found = _CONTENT_TYPE.fullmatch(text)
    if not found:
        raise Refused("The content type of an attachment is not valid.")
    maintype, subtype = found[1].lower(), found[2].lower()
    if maintype in {"multipart", "message"}:
        # These may not be encoded as base64, so they travel as plain files.
        return "application", "octet-stream", {}
    charset = _CHARSET.search(text)
    return maintype, subtype, {"charset": charset[1]} if charset else {}
