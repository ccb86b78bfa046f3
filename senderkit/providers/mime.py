"""A checked email -> the exact bytes that go out, and the addresses they go to.

Bodies, attachments and multiparts come from the standard library. The header lines are written
here, because the library decodes encoded words (`=?utf-8?q?=0D=0A…?=`) that a value happens to
hold and, on older versions of Python, writes the line breaks it finds inside. It also encodes a
long URL, which mail clients then ignore.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Final, cast

from senderkit.domain import Outgoing
from senderkit.providers.emails import Email, EmailFile, read_email
from senderkit.providers.mailboxes import Mailbox, quoted

# Bodies are wrapped at 78 columns; the header lines of parts are left whole up to the limit of
# SMTP, because a folded Content-ID would be encoded.
_BODY_POLICY: Final = SMTP.clone(cte_type="7bit")
_LINE_LIMIT: Final = 998
_PHRASE_LIMIT: Final = 200
_OUTPUT_POLICY: Final = _BODY_POLICY.clone(max_line_length=_LINE_LIMIT)

_PLAIN_PHRASE: Final = re.compile(r"[\w!#$%&'*+/=?^`{|}~ -]+", re.ASCII)


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
    email = read_email(outgoing, default_from=default_from)
    head = "".join(f"{line}\r\n" for line in _head_lines(email, at)).encode()
    everybody = (*email.cc, *email.bcc)
    copies = dict.fromkeys(m.address for m in everybody if m.address != email.recipient.address)
    return MimeEmail(
        sender=email.sender.address,
        recipient=email.recipient.address,
        copies=tuple(copies),
        content=head + _parts(email),
    )


# -- headers ----------------------------------------------------------------------------------


def _head_lines(email: Email, at: datetime) -> Iterator[str]:
    yield _address_line("From", [email.sender])
    yield _address_line("To", [email.recipient])
    if email.cc:
        yield _address_line("Cc", email.cc)
    if email.reply_to:
        yield _address_line("Reply-To", [email.reply_to])
    yield _text_line("Subject", email.subject)
    yield f"Date: {format_datetime(at)}"
    yield _text_line("Message-ID", f"<{email.message_id}@{email.sender.domain}>")
    for name, value in email.headers.items():
        yield f"{name}: {value}" if name == "List-Unsubscribe" else _text_line(name, value)


def header_value(value: str) -> str:
    """A header's value in ASCII and on one line, for an API that writes it down as it is."""
    if value.isascii() and "=?" not in value:
        return value
    return Header(value, "utf-8", maxlinelen=74).encode(linesep="")


def _address_line(name: str, mailboxes: Iterable[Mailbox]) -> str:
    return f"{name}: " + ",\r\n ".join(_header_form(mailbox) for mailbox in mailboxes)


def _header_form(mailbox: Mailbox) -> str:
    return f"{_phrase(mailbox.name)} <{mailbox.address}>" if mailbox.name else mailbox.address


def _text_line(name: str, value: str) -> str:
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
    return name if _PLAIN_PHRASE.fullmatch(name) else quoted(name)


# -- body and attachments ---------------------------------------------------------------------


def _parts(email: Email) -> bytes:
    """mixed(alternative(text, related(html, inline files)), attachments), headers included."""
    message = EmailMessage(policy=_BODY_POLICY)
    message.set_content(email.text)
    message.add_alternative(email.html, subtype="html")
    html = cast(list[EmailMessage], message.get_payload())[-1]
    for file in email.files:
        if file.is_inline and file.content_id:
            html.add_related(file.content, **_file_headers(file))
        else:
            message.add_attachment(file.content, **_file_headers(file))
    return message.as_bytes(policy=_OUTPUT_POLICY)


def _file_headers(file: EmailFile) -> dict[str, Any]:
    """What the library needs to describe a file, in words that it writes as they are."""
    headers: dict[str, Any] = {
        "maintype": file.maintype,
        "subtype": file.subtype,
        "params": {"charset": file.charset} if file.charset else {},
        "disposition": "inline" if file.is_inline else "attachment",
        # The library would decode an encoded word in a name, line breaks included.
        "filename": file.filename.replace("=?", "=_"),
    }
    if file.content_id:
        headers["cid"] = f"<{file.content_id}>"
    return headers
