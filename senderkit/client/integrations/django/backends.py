"""An `EMAIL_BACKEND` that sends Django's own mail through SenderKit.

Django renders these messages itself, so they bypass SenderKit's templates. A message to several
people becomes one send for each of them; copies (`cc`, `bcc`) go with the first.
"""

from __future__ import annotations

import logging
from email.message import Message as MimeMessage
from typing import Any, Final

from django.core.mail.backends.base import BaseEmailBackend
from django.utils.html import escape

from senderkit.client.client import SenderKit
from senderkit.client.errors import SenderKitError
from senderkit.client.integrations.django.client import get_client
from senderkit.client.sends import Attachment, EmailContent

_log = logging.getLogger(__name__)

_UNNAMED: Final = "attachment"
_CARRIED_HEADERS: Final = frozenset({"reply-to"})


class EmailBackend(BaseEmailBackend):
    """Sends Django's mail as raw emails."""

    def send_messages(self, email_messages: Any) -> int:
        """Send each message; return how many were accepted for all their recipients.

        Raises what `SenderKit.send_raw` raises, unless `fail_silently` is set; a message without
        any recipient is passed over, as Django's own backends do.
        """
        addressed = [message for message in email_messages or () if message.recipients()]
        return sum(self._send(get_client(), message) for message in addressed)

    def _send(self, client: SenderKit, message: Any) -> bool:
        try:
            _send(client, message)
        except SenderKitError:
            if not self.fail_silently:
                raise
            return False
        return True


def _send(client: SenderKit, message: Any) -> None:
    content = _content(message)
    to = [address for address in message.to if address]
    # Without anybody in "to", those in the copies get the message itself, each alone.
    first, *others = to or message.recipients()
    if to:
        content.cc, content.bcc = list(message.cc) or None, list(message.bcc) or None
    client.send_raw(first, content, from_=message.from_email or None)
    content.cc = content.bcc = None
    for recipient in others:
        client.send_raw(recipient, content, from_=message.from_email or None)


def _content(message: Any) -> EmailContent:
    lost = [name for name in message.extra_headers if name.lower() not in _CARRIED_HEADERS]
    if lost:
        _log.warning("SenderKit sets mail headers itself; not sent: %s", ", ".join(lost))
    return EmailContent(
        subject=str(message.subject),
        html=_html(message),
        text=None if message.content_subtype == "html" else str(message.body),
        reply_to=_reply_to(message),
        attachments=[_attachment(item) for item in message.attachments] or None,
    )


def _html(message: Any) -> str:
    """The HTML body; of a message that has only text, the text with its line breaks."""
    for content, mimetype in getattr(message, "alternatives", ()):
        if mimetype == "text/html":
            return str(content)
    if message.content_subtype == "html":
        return str(message.body)
    return str(escape(message.body)).replace("\n", "<br>\n")


def _reply_to(message: Any) -> str | None:
    named = {name.lower(): str(value) for name, value in message.extra_headers.items()}
    return next(iter(message.reply_to), None) or named.get("reply-to")


def _attachment(item: Any) -> Attachment:
    """Of a file as Django keeps it: a MIME part, or name, content and type."""
    if isinstance(item, MimeMessage):
        return _attached_part(item)
    name, content, mimetype = item
    return Attachment.from_bytes(name or _UNNAMED, _bytes(content), mimetype)


def _attached_part(part: MimeMessage) -> Attachment:
    content_id = part.get("Content-ID", "").strip("<> ") or None
    return Attachment.from_bytes(
        part.get_filename() or _UNNAMED,
        _bytes(part.get_payload(decode=True)),
        part.get_content_type(),
        inline=True if content_id else None,
        content_id=content_id,
    )


def _bytes(content: Any) -> bytes:
    """Of text, bytes, or a message that is passed on whole."""
    if isinstance(content, bytes):
        return content
    if hasattr(content, "as_bytes"):
        whole: bytes = content.as_bytes()
        return whole
    if hasattr(content, "message"):
        return _bytes(content.message())
    return str(content).encode("utf-8")
