"""Messages to hand to adapters: for each channel a plain one, and one with everything in it."""

from __future__ import annotations

from typing import Any, Final

from senderkit.domain import (
    Attachment,
    Channel,
    EmailBody,
    Envelope,
    Mode,
    Outgoing,
    PushBody,
    SmsBody,
    WebPushBody,
)

MESSAGE_ID: Final = "msg_01hzy8w1c2d3e4f5g6h7j8k9mn"

_PLAIN: Final[dict[Channel, dict[str, Any]]] = {
    Channel.EMAIL: {
        "recipient": "ada@example.com",
        "body": EmailBody(subject="Hello", html="<p>Hello</p>", text="Hello"),
    },
    Channel.SMS: {"recipient": "+15550100200", "body": SmsBody("Hello")},
    Channel.PUSH: {"recipient": "f" * 64, "body": PushBody("Hello", "Your order is on its way.")},
    Channel.WEB_PUSH: {
        "recipient": '{"endpoint": "https://push.example/1", "keys": {"p256dh": "x", "auth": "y"}}',
        "body": WebPushBody("Hello", "Your order is on its way."),
    },
}

PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(range(256))

FULL_EMAIL: Final[dict[str, Any]] = {
    "recipient": "Ada Lovelace <ada@example.com>",
    "body": EmailBody(
        subject="Grüße, Ada 👋",
        html='<p>Grüße, <b>Ada</b>. <img src="cid:logo@acme"></p>',
        text="Grüße, Ada.\n\n-- \nAcme",
        preheader="Your order",
    ),
    "envelope": Envelope(
        from_address="orders@acme.example",
        from_name='Acme, Inc. "Orders"',
        cc=("Bo <bo@example.com>", "cy@example.com"),
        bcc=("di@example.com",),
        reply_to="Hilfe für Sie <help@acme.example>",
    ),
    "attachments": (
        Attachment("Rechnung März.pdf", "application/pdf", b"%PDF-1.7\n\x00\xff"),
        Attachment("logo.png", "image/png", PNG, inline=True, content_id="logo@acme"),
        Attachment("notes.txt", "text/plain; charset=utf-8", "Grüße".encode()),
    ),
    "list_unsubscribe_url": "https://notify.acme.example/unsubscribe/" + "a1B2-_" * 30,
    "headers": {"X-Order": "4711", "X-Greeting": "Grüße"},
    "idempotency_key": MESSAGE_ID,
}


FULL_PUSH: Final[dict[str, Any]] = {
    "body": PushBody(
        title="Grüße, Ada 👋",
        body="Your order is on its way.\nTrack it.",
        data={"order": "4711", "url": "https://acme.example/orders/4711"},
        badge=3,
        sound="chime.caf",
    ),
}

FULL_WEB_PUSH: Final[dict[str, Any]] = {
    "body": WebPushBody(
        title="Grüße, Ada 👋",
        body="Your order is on its way.\nTrack it.",
        icon="https://acme.example/icon.png",
        click_url="https://acme.example/orders/4711",
        badge=0,
        data={"order": 4711, "tags": ["a", None], "deep": {"x": 1.5}},
    ),
}


def outgoing(channel: Channel, **changes: Any) -> Outgoing:
    """A live message for this channel; keywords replace its parts."""
    parts = {"mode": Mode.LIVE, "message_id": MESSAGE_ID, "channel": channel}
    return Outgoing(**(parts | _PLAIN[channel] | changes))
