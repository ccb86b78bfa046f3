"""The registry of providers: one line for each, in the order in which forms show them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from senderkit.errors import NotFound
from senderkit.providers.apns import ApnsProvider
from senderkit.providers.base import Provider
from senderkit.providers.expo import ExpoProvider
from senderkit.providers.fcm import FcmProvider
from senderkit.providers.mailgun import MailgunProvider
from senderkit.providers.messagebird import MessageBirdProvider
from senderkit.providers.postmark import PostmarkProvider
from senderkit.providers.resend import ResendProvider
from senderkit.providers.sendgrid import SendGridProvider
from senderkit.providers.ses import SesProvider
from senderkit.providers.smtp import SmtpProvider
from senderkit.providers.sns import SnsProvider
from senderkit.providers.sparkpost import SparkPostProvider
from senderkit.providers.twilio import TwilioProvider
from senderkit.providers.vonage import VonageProvider
from senderkit.providers.web_push import WebPushProvider

_REGISTERED: Final[tuple[Provider, ...]] = (
    SmtpProvider(),
    PostmarkProvider(),
    SendGridProvider(),
    SesProvider(),
    MailgunProvider(),
    SparkPostProvider(),
    ResendProvider(),
    TwilioProvider(),
    SnsProvider(),
    VonageProvider(),
    MessageBirdProvider(),
    ApnsProvider(),
    FcmProvider(),
    ExpoProvider(),
    WebPushProvider(),
)

PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType({p.name: p for p in _REGISTERED})
"""Every provider by its name, which is what a stored connection refers to."""


def get_provider(name: str) -> Provider:
    """The provider called `name`. Raises `NotFound`."""
    try:
        return PROVIDERS[name]
    except KeyError:
        raise NotFound("There is no provider of this name.") from None
