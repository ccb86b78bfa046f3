"""The Python client of SenderKit.

::

    from senderkit.client import SenderKit

    with SenderKit() as sk:  # SENDERKIT_API_KEY, SENDERKIT_BASE_URL
        sk.send("welcome", "ada@example.com", vars={"name": "Ada"})

Imports nothing else of this package, so a program that only sends loads neither Flask nor a
database. The published client's names are here too: a program written for it changes its import
line, `senderkit` to `senderkit.client`, and nothing else.

=================  ===========================================================================
``client``         `SenderKit` and `AsyncSenderKit`
``resources``      `sk.messages`, `sk.templates`, `sk.inbound`
``webhooks``       is this webhook ours?
``errors``         the whole tree
``sends``          request classes and how they are written on the wire
``answers``        answer classes and how they are read
``calls``          every operation of /v1: its request and its reader
``exchange``       retries, waits, errors: what is decided about a call, without a socket
``streams``        server-sent events, and how a tail resumes
``transport``      the only file that knows the HTTP library: one class waits, the other awaits
``batch``          many sends
``configuration``  arguments, else the environment
``keys``           what a key looks like
``integrations``   Django, Flask, FastAPI, Celery; each is imported by name
=================  ===========================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from senderkit import __version__
from senderkit.client import errors
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
from senderkit.client.batch import BatchProgress
from senderkit.client.client import AsyncSenderKit, SenderKit
from senderkit.client.errors import (
    APIError,
    AuthenticationError,
    ConflictError,
    NetworkError,
    PaymentRequiredError,
    RateLimitError,
    SenderKitApiError,
    SenderKitAuthenticationError,
    SenderKitConflictError,
    SenderKitError,
    SenderKitNetworkError,
    SenderKitPaymentRequiredError,
    SenderKitPermissionError,
    SenderKitRateLimitError,
    SenderKitSignatureError,
    SenderKitTimeoutError,
    SenderKitValidationError,
    SignatureVerificationError,
    TimeoutError,  # noqa: A004 - the published client's name
    ValidationError,
)
from senderkit.client.sends import (
    Attachment,
    Channel,
    EmailContent,
    PushContent,
    RawSend,
    SmsContent,
    TemplateSend,
    WebPushContent,
)
from senderkit.client.webhooks import WebhookEvent, WebhookVerifier

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

VERSION = __version__

__all__ = [
    "VERSION",
    "APIError",
    "AsyncSenderKit",
    "Attachment",
    "AuthenticationError",
    "BatchProgress",
    "BatchResult",
    "CancelResult",
    "Channel",
    "ConflictError",
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
    "NetworkError",
    "PaymentRequiredError",
    "PushContent",
    "RateLimitError",
    "RawSend",
    "RenderResult",
    "SendResult",
    "SenderKit",
    "SenderKitApiError",
    "SenderKitAuthenticationError",
    "SenderKitConflictError",
    "SenderKitError",
    "SenderKitNetworkError",
    "SenderKitPaymentRequiredError",
    "SenderKitPermissionError",
    "SenderKitRateLimitError",
    "SenderKitSignatureError",
    "SenderKitTimeoutError",
    "SenderKitValidationError",
    "SignatureVerificationError",
    "SmsContent",
    "TemplateDetail",
    "TemplateSend",
    "TemplateSummary",
    "TemplateVariable",
    "TemplateVersion",
    "TimeoutError",
    "ValidationError",
    "WebPushContent",
    "WebhookEvent",
    "WebhookVerifier",
    "Workspace",
    "__version__",
    "errors",
]


def __getattr__(name: str) -> Any:
    # Few receive mail, and importing the client stays quick.
    if name.startswith("Inbound") and name in __all__:
        from senderkit.client import inbound  # noqa: PLC0415

        return getattr(inbound, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
