"""The helpers for Django, Flask, FastAPI and Celery, beyond what programs of old rely on."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
import uuid
from collections.abc import Iterator
from email.mime.image import MIMEImage
from email.mime.text import MIMEText
from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from flask import Flask, request

from senderkit.client import (
    SenderKit,
    SenderKitRateLimitError,
    SenderKitValidationError,
    WebhookEvent,
)
from senderkit.client.integrations import django as for_django
from senderkit.client.integrations.celery import make_send_task
from senderkit.client.integrations.fastapi import get_senderkit, webhook_verifier
from senderkit.client.integrations.flask import SenderKitFlask
from senderkit.domain import Mode
from senderkit.keys import mint
from tests.client import scripted as play
from tests.client.scripted import Server, scripted

KEY = mint(Mode.TEST).token
SECRET = "whsec_1"
BODY = b'{"type": "message.sent"}'


def signed(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    now = int(time.time())
    digest = hmac.new(secret.encode(), b"%d." % now + body, hashlib.sha256).hexdigest()
    return {"X-SenderKit-Signature": f"t={now},v1={digest}", "X-SenderKit-Delivery": "whd_1"}


@pytest.fixture
def server() -> Iterator[Server]:
    with scripted(play.accepted()) as running:
        yield running


@pytest.fixture
def environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENDERKIT_API_KEY", KEY)
    monkeypatch.setenv("SENDERKIT_BASE_URL", server.url)
    monkeypatch.setenv("SENDERKIT_WEBHOOK_SECRET", SECRET)


# -- Flask --------------------------------------------------------------------------------------


def hooked_app(**config: Any) -> tuple[Flask, SenderKitFlask]:
    app = Flask("shop")
    app.config.update(config)
    helper = SenderKitFlask(app)

    @app.post("/hook")
    def hook() -> dict[str, Any]:
        event = helper.verify_webhook(request)
        return {"type": event.type, "delivery": event.delivery_id}

    return app, helper


@pytest.mark.usefixtures("environment")
def test_flask_takes_from_the_environment_what_is_not_configured() -> None:
    app, helper = hooked_app()

    assert helper.client.send("welcome", "ada@example.com").id == "msg_1"
    answer = app.test_client().post("/hook", data=BODY, headers=signed())
    assert answer.json == {"type": "message.sent", "delivery": "whd_1"}
    assert app.test_client().post("/hook", data=b"{}", headers=signed()).status_code == 400
    helper.client.close()


def test_flask_keeps_one_client_for_each_application(server: Server) -> None:
    config = {"SENDERKIT_API_KEY": KEY, "SENDERKIT_BASE_URL": server.url}
    first, helper = hooked_app(**config)
    second = Flask("other")
    second.config.update(config | {"SENDERKIT_MAX_RETRIES": 0})
    helper.init_app(second)

    clients = []
    for app in (first, second, first):
        with app.app_context():
            clients.append(helper.client)
    assert clients[0] is clients[2] is helper.client
    assert clients[0] is not clients[1]
    for client in clients:
        client.close()


def test_flask_without_an_application_says_what_is_missing() -> None:
    with pytest.raises(RuntimeError, match="init_app"):
        _ = SenderKitFlask().client


def test_flask_refuses_a_malformed_key() -> None:
    with pytest.raises(ValueError, match="malformed"):
        _ = hooked_app(SENDERKIT_API_KEY="sk_test_nonsense")[1].client


# -- FastAPI ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("environment")
def test_fastapi_verifies_before_the_handler_runs() -> None:
    app = FastAPI()

    @app.post("/hook")
    async def hook(event: WebhookEvent = Depends(webhook_verifier())) -> Any:  # noqa: B008
        return {"type": event.type, "delivery": event.delivery_id}

    with TestClient(app) as browser:
        good = browser.post("/hook", content=BODY, headers=signed())
        forged = browser.post("/hook", content=b"{}", headers=signed())
        bare = browser.post("/hook", content=BODY)

    assert good.json() == {"type": "message.sent", "delivery": "whd_1"}
    assert (forged.status_code, bare.status_code) == (400, 400)


@pytest.mark.usefixtures("environment")
def test_fastapi_keeps_one_client() -> None:
    get_senderkit.cache_clear()
    assert get_senderkit() is get_senderkit()
    get_senderkit.cache_clear()


# -- Celery -------------------------------------------------------------------------------------


class Shop:
    """A Celery application with a worker of its own, and what its task did."""

    def __init__(self, url: str, **options: Any) -> None:
        self.clients: list[SenderKit] = []
        self._url = url
        self.app = Celery("shop", broker="memory://", backend="cache+memory://")
        self.app.conf.worker_hijack_root_logger = False
        # The broker in memory is one for the whole process: nobody else's tasks are to be run.
        self.app.conf.task_default_queue = uuid.uuid4().hex
        self.task = make_send_task(self.app, self._new_client, **options)

    def _new_client(self) -> SenderKit:
        self.clients.append(SenderKit(KEY, base_url=self._url, max_retries=0))
        return self.clients[-1]

    def run(self, *arguments: Any, **options: Any) -> Any:
        return self.task.delay(*arguments, **options).get(timeout=60)

    def __enter__(self) -> Shop:
        self._worker = start_worker(
            self.app, perform_ping_check=False, pool="threads", loglevel="CRITICAL"
        )
        self._worker.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._worker.__exit__(None, None, None)
        for client in self.clients:
            client.close()


def test_celery_tries_again_with_the_same_key_and_the_same_client() -> None:
    limited = play.error(429, "rate_limited", headers={"Retry-After": "1"})
    steps = (limited, play.hang_up, play.error(503, "unavailable"), play.accepted())
    with scripted(*steps) as server, Shop(server.url) as shop:
        result = shop.run("welcome", "ada@example.com", vars={"name": "Ada"})
        shop.run("welcome", "grace@example.com")

    assert result == {"id": "msg_1", "status": "queued", "livemode": False}
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert len(set(keys[:4])) == 1
    assert keys[0].startswith("celery-")
    assert keys[4] not in keys[:4]
    assert len(shop.clients) == 1


def test_celery_gives_up_in_the_end_with_the_error() -> None:
    limited = play.error(429, "rate_limited", headers={"Retry-After": "1"})
    told = pytest.raises(SenderKitRateLimitError)
    with scripted(limited) as server, Shop(server.url, max_retries=1) as shop, told:
        shop.run("welcome", "ada@example.com")

    assert len(server.requests) == 2


def test_celery_tells_a_lasting_error_at_once() -> None:
    told = pytest.raises(SenderKitValidationError)
    with scripted(play.error(400, "invalid_request")) as server, Shop(server.url) as shop, told:
        shop.run("welcome", "nobody")

    assert len(server.requests) == 1


def test_celery_keeps_a_key_that_was_given(server: Server) -> None:
    with Shop(server.url, name="shop.send") as shop:
        shop.run("welcome", "ada@example.com", idempotency_key="order-1")
        shop.task("welcome", "ada@example.com")  # as a plain function

    assert shop.task.name == "shop.send"
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert keys[0] == "order-1"
    assert keys[1] not in {"order-1", ""}


# -- Django -------------------------------------------------------------------------------------

BACKEND = "senderkit.client.integrations.django.EmailBackend"


@pytest.fixture
def django_project(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not settings.configured:
        settings.configure(DEFAULT_FROM_EMAIL="shop@example.com", USE_TZ=True)
    config = {"API_KEY": KEY, "BASE_URL": server.url, "MAX_RETRIES": 0, "WEBHOOK_SECRET": SECRET}
    monkeypatch.setattr(settings, "SENDERKIT", config, raising=False)
    monkeypatch.setattr(settings, "EMAIL_BACKEND", BACKEND)
    for_django.reset_client()
    yield
    for_django.reset_client()


def mail(**fields: Any) -> EmailMultiAlternatives:
    return EmailMultiAlternatives(
        **{"subject": "Hi", "body": "Hi", "to": ["ada@example.com"], **fields}
    )


def sent_by(server: Server) -> list[dict[str, Any]]:
    assert {request.path for request in server.requests} <= {"/v1/send-raw"}
    return [request.json for request in server.requests]


@pytest.mark.usefixtures("django_project")
def test_django_mail_is_sent_as_it_was_written(server: Server) -> None:
    message = mail(body="a < b\nc", from_email="Shop <s@example.com>", reply_to=["r@example.com"])
    message.attach_alternative("<p>a &lt; b</p>", "text/html")

    assert message.send() == 1
    assert sent_by(server) == [
        {
            "channel": "email",
            "to": "ada@example.com",
            "from": "Shop <s@example.com>",
            "content": {
                "subject": "Hi",
                "html": "<p>a &lt; b</p>",
                "text": "a < b\nc",
                "replyTo": "r@example.com",
            },
        }
    ]


@pytest.mark.usefixtures("django_project")
def test_django_text_becomes_html_and_html_has_no_text(server: Server) -> None:
    mail(body="a < b\nc").send()
    only_html = EmailMessage("Hi", "<p>Hi</p>", to=["ada@example.com"])
    only_html.content_subtype = "html"
    only_html.send()

    assert [sent["content"] for sent in sent_by(server)] == [
        {"subject": "Hi", "html": "a &lt; b<br>\nc", "text": "a < b\nc"},
        {"subject": "Hi", "html": "<p>Hi</p>"},
    ]


@pytest.mark.usefixtures("django_project")
def test_django_copies_go_with_the_first_recipient_only(server: Server) -> None:
    mail(to=["a@example.com", "b@example.com"], cc=["c@example.com"], bcc=["d@example.com"]).send()

    assert [
        (s["to"], s["content"].get("cc"), s["content"].get("bcc")) for s in sent_by(server)
    ] == [
        ("a@example.com", ["c@example.com"], ["d@example.com"]),
        ("b@example.com", None, None),
    ]


@pytest.mark.usefixtures("django_project")
def test_django_mail_with_copies_only_reaches_each_alone(server: Server) -> None:
    assert mail(to=[], bcc=["a@example.com", "b@example.com"]).send() == 1

    assert [(sent["to"], sent["content"].get("bcc")) for sent in sent_by(server)] == [
        ("a@example.com", None),
        ("b@example.com", None),
    ]


@pytest.mark.usefixtures("django_project")
def test_django_attachments_of_every_kind_arrive(server: Server) -> None:
    message = mail()
    message.attach("a.txt", "text", "text/plain")
    message.attach("b.bin", b"\x00\xff", "application/octet-stream")
    message.attach("c.pdf", b"pdf")
    image = MIMEImage(b"png", "png")
    image.add_header("Content-ID", "<logo>")
    message.attach(image)
    message.attach(MIMEText("part"))
    message.attach("mail.eml", mail(subject="Inner"), "message/rfc822")
    message.send()

    (sent,) = sent_by(server)
    found = [
        (item["filename"], item["contentType"], base64.b64decode(item["content"]))
        for item in sent["content"]["attachments"]
    ]
    assert found[:5] == [
        ("a.txt", "text/plain", b"text"),
        ("b.bin", "application/octet-stream", b"\x00\xff"),
        ("c.pdf", "application/pdf", b"pdf"),
        ("attachment", "image/png", b"png"),
        ("attachment", "text/plain", b"part"),
    ]
    assert found[5][:2] == ("mail.eml", "message/rfc822")
    assert b"Subject: Inner" in found[5][2]
    inline = sent["content"]["attachments"][3]
    assert (inline["inline"], inline["contentId"]) == (True, "logo")


@pytest.mark.usefixtures("django_project")
def test_django_headers_that_cannot_be_sent_are_told(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        mail(headers={"Reply-To": "r@example.com", "X-Campaign": "may"}).send()

    assert sent_by(server)[0]["content"]["replyTo"] == "r@example.com"
    assert "X-Campaign" in caplog.text
    assert "Reply-To" not in caplog.text


@pytest.mark.usefixtures("django_project")
def test_django_fails_silently_only_when_asked() -> None:
    refused = play.error(400, "invalid_request")
    with scripted(refused, refused, play.accepted()) as server:
        settings.SENDERKIT["BASE_URL"] = server.url
        with pytest.raises(SenderKitValidationError):
            mail().send()
        with get_connection(fail_silently=True) as connection:
            assert connection.send_messages([mail(), mail(), mail(to=[])]) == 1


@pytest.mark.usefixtures("django_project")
def test_django_keeps_one_client_until_it_is_reset() -> None:
    first = for_django.get_client()

    assert for_django.get_client() is first
    for_django.reset_client()
    assert for_django.get_client() is not first


@pytest.mark.usefixtures("django_project")
def test_django_settings_that_make_no_client_are_told() -> None:
    settings.SENDERKIT["API_KEY"] = "sk_test_nonsense"

    with pytest.raises(ImproperlyConfigured, match="SENDERKIT: api_key is malformed"):
        for_django.get_client()


@pytest.mark.usefixtures("django_project")
def test_a_django_view_is_called_for_a_verified_webhook_only() -> None:
    def view(_: HttpRequest, event: WebhookEvent, *, shop: str) -> Any:
        return HttpResponse(json.dumps([event.type, event.delivery_id, shop]))

    bare = for_django.senderkit_webhook(view)
    with_secret = for_django.senderkit_webhook(secret="whsec_2", tolerance=10)(view)

    def post(hook: Any, secret: str) -> Any:
        headers = signed(secret=secret)
        asked = RequestFactory().post("/", BODY, "application/json", headers=headers)
        return hook(asked, shop="x")

    assert json.loads(post(bare, SECRET).content) == ["message.sent", "whd_1", "x"]
    assert json.loads(post(with_secret, "whsec_2").content) == ["message.sent", "whd_1", "x"]
    assert (post(bare, "whsec_2").status_code, post(with_secret, SECRET).status_code) == (400, 400)
    assert bare.csrf_exempt
