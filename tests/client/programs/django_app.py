"""A Django application: mail through SenderKit, a configured client, a verified webhook view."""

import hashlib
import hmac
import json
import os
import time

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEFAULT_FROM_EMAIL="Shop <shop@example.com>",
    EMAIL_BACKEND="senderkit.integrations.django.EmailBackend",
    ROOT_URLCONF=__name__,
    SECRET_KEY="not a secret",
    SENDERKIT={
        "API_KEY": os.environ["SENDERKIT_API_KEY"],
        "BASE_URL": os.environ["SENDERKIT_BASE_URL"],
        "TIMEOUT": 30.0,
        "MAX_RETRIES": 2,
        "WEBHOOK_SECRET": os.environ["SENDERKIT_WEBHOOK_SECRET"],
    },
    USE_TZ=True,
)
django.setup()

from django.core.mail import EmailMultiAlternatives, send_mail  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from senderkit.integrations.django import (  # noqa: E402
    get_client,
    reset_client,
    senderkit_webhook,
)

seen = []


@csrf_exempt
def welcome(request):
    return JsonResponse({"id": get_client().send("welcome", "django@example.com").id})


@senderkit_webhook
def hook(request, event):
    seen.append(event.type)
    return HttpResponse(status=204)


urlpatterns = [path("welcome", welcome), path("hook", hook)]


def signed(body):
    now = int(time.time())
    key = os.environ["SENDERKIT_WEBHOOK_SECRET"].encode()
    digest = hmac.new(key, b"%d." % now + body, hashlib.sha256).hexdigest()
    return {"X-SenderKit-Signature": f"t={now},v1={digest}", "X-SenderKit-Event": "message.sent"}


browser = Client(enforce_csrf_checks=True)
body = json.dumps({"type": "message.sent"}).encode()
kind = "application/json"
hooked = browser.post("/hook", body, content_type=kind, headers=signed(body))
forged = browser.post("/hook", b"{}", content_type=kind, headers=signed(body))
sent = browser.post("/welcome").json()["id"]

mail = EmailMultiAlternatives("Hi", "Hi <you>", to=["mail-by-django@example.com"])
mail.attach_alternative("<p>Hi</p>", "text/html")
mail.attach("a.txt", "Hello", "text/plain")
count = mail.send()
unsent = send_mail("Hi", "Hi", None, ["no address"], fail_silently=True)
reset_client()

print(
    json.dumps(
        {
            "sent": sent,
            "hook": [hooked.status_code, *seen],
            "forged": forged.status_code,
            "mail": count,
            "unsent": unsent,
        }
    )
)
