"""Django: mail through SenderKit, a client from the settings, and verified webhooks.

::

    SENDERKIT = {
        "API_KEY": os.environ["SENDERKIT_API_KEY"],
        "BASE_URL": "https://notify.acme.example",
        "TIMEOUT": 30.0,  # seconds
        "MAX_RETRIES": 2,
        "WEBHOOK_SECRET": os.environ["SENDERKIT_WEBHOOK_SECRET"],
    }
    EMAIL_BACKEND = "senderkit.client.integrations.django.EmailBackend"

Each of them may be left out: it is then read from the environment.
"""

from __future__ import annotations

from senderkit.client.integrations.django.backends import EmailBackend
from senderkit.client.integrations.django.client import get_client, reset_client
from senderkit.client.integrations.django.views import senderkit_webhook

__all__ = ["EmailBackend", "get_client", "reset_client", "senderkit_webhook"]
