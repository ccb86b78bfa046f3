"""A decorator for the view that receives webhooks."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBadRequest
from django.views.decorators.csrf import csrf_exempt

from senderkit.client.errors import SenderKitSignatureError
from senderkit.client.integrations.django.client import get_config
from senderkit.client.webhooks import DEFAULT_TOLERANCE_SECONDS, WebhookVerifier

View = Callable[..., Any]


def senderkit_webhook(
    view: View | None = None,
    *,
    secret: str | None = None,
    tolerance: int = DEFAULT_TOLERANCE_SECONDS,
) -> Any:
    """Call the view as `view(request, event, …)` with a verified event, or answer 400.

    Used bare or with arguments; `tolerance` is in seconds, `secret` is the settings' unless given.

    ::

        @senderkit_webhook
        def hook(request, event):
            return HttpResponse(status=204)
    """

    def decorate(wrapped: View) -> View:
        @csrf_exempt
        @wraps(wrapped)
        def verified(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            verifier = WebhookVerifier(secret or get_config().get("WEBHOOK_SECRET"))
            try:
                event = verifier.verify(
                    request.body,
                    request.headers.get("X-SenderKit-Signature", ""),
                    tolerance=tolerance,
                    event_type=request.headers.get("X-SenderKit-Event"),
                    delivery_id=request.headers.get("X-SenderKit-Delivery"),
                )
            except SenderKitSignatureError as error:
                return HttpResponseBadRequest(str(error))
            return wrapped(request, event, *args, **kwargs)

        checked: View = verified
        return checked

    return decorate if view is None else decorate(view)
