"""What is written on the wire for each request class, and what the real server makes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel

from senderkit.client import (
    Attachment,
    Channel,
    EmailContent,
    PushContent,
    RawSend,
    SenderKit,
    SenderKitApiError,
    SenderKitPermissionError,
    SenderKitValidationError,
    SmsContent,
    TemplateSend,
    WebPushContent,
)
from senderkit.client.sends import Send, send_body, wire_name
from senderkit.commands import attachments, content, send_bodies
from senderkit.domain import Channel as ServerChannel
from senderkit.domain import Mode
from senderkit.keys import mint
from tests.client import scripted as play
from tests.client.conftest import Home
from tests.client.scripted import scripted

SUBSCRIPTION = json.dumps(
    {
        "endpoint": "https://push.example/1",
        "keys": {
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx"
            "aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        },
    }
)
WHOLE_SENDS: dict[str, Send] = {
    "template": TemplateSend(
        template="welcome",
        to="ada@example.com",
        vars={"name": "Ada"},
        version=1,
        channel=Channel.EMAIL,
        metadata={"order": 1, "vip": True, "note": "x"},
        scheduled_at=datetime.now(UTC) + timedelta(hours=1),
        cc=["b@example.com"],
        bcc=("c@example.com",),
        reply_to="Help <help@example.com>",
        attachments=[Attachment.from_bytes("a.txt", b"x", inline=True, content_id="a")],
        from_="hello@example.com",
        from_name="Acme",
        locale="pt-BR",
    ),
    "email": RawSend(
        "ada@example.com",
        EmailContent(
            subject="{{s}}",
            html="<p>x</p>",
            preheader="p",
            text="t",
            cc=["b@example.com"],
            bcc=["c@example.com"],
            reply_to="d@example.com",
            attachments=[Attachment.from_bytes("a.pdf", b"x")],
        ),
        from_="hello@example.com",
        from_name="Acme",
        interpolate=True,
        vars={"s": "Hello"},
        metadata={"n": 1},
        scheduled_at="2026-12-24T18:00:00+01:00",
    ),
    "sms": RawSend("+15551234567", SmsContent("x")),
    "push": RawSend("device-token", PushContent("t", "b", {"k": "v"}, 3, "ping")),
    "web push": RawSend(
        SUBSCRIPTION,
        WebPushContent("t", "b", "https://x.example/i.png", "https://x.example/", {"k": "v"}, 2),
    ),
    "a mapping": RawSend("+15551234567", {"body": "x"}, channel="sms"),
}
SCHEMAS: dict[type, type[BaseModel]] = {
    Attachment: attachments.AttachmentBody,
    EmailContent: content.RawEmailContent,
    SmsContent: content.SmsContent,
    PushContent: content.PushContent,
    WebPushContent: content.WebPushContent,
    TemplateSend: send_bodies.TemplateSendBody,
    RawSend: send_bodies.RawEmailSendBody,
}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_field_of_the_server_has_its_name_here(kind: type) -> None:
    theirs = {field.alias or name for name, field in SCHEMAS[kind].model_fields.items()}
    ours = {wire_name(field.name) for field in fields(kind)} - {"idempotencyKey"}

    assert ours == theirs


def test_the_channels_are_the_servers() -> None:
    assert [channel.value for channel in Channel] == [channel.value for channel in ServerChannel]


@pytest.mark.parametrize("name", WHOLE_SENDS)
def test_a_send_with_every_field_is_accepted(name: str, sk: SenderKit) -> None:
    (result,) = sk.send_batch([WHOLE_SENDS[name]])

    assert result.error is None
    assert result.result is not None
    assert result.result.id.startswith("msg_")
    assert result.result.livemode is False


def test_what_arrives_is_what_was_sent(sk: SenderKit) -> None:
    at = datetime.now(timezone(timedelta(hours=5))).replace(microsecond=0) + timedelta(hours=1)
    sent = sk.send(
        "welcome",
        "Ada <ada@example.com>",
        vars={"name": "Ada", "nested": {"list": [1, 2.5, None, True, "é"]}},
        metadata={"order": 1001, "vip": True, "rate": 0.5},
        scheduled_at=at,
        from_="hello@acme.example",
        from_name="Acme",
    )
    message = sk.messages.get(sent.id)

    assert sent.status == message.status == "scheduled"
    assert message.vars == {"name": "Ada", "nested": {"list": [1, 2.5, None, True, "é"]}}
    assert message.metadata == {"order": 1001, "vip": True, "rate": 0.5}
    assert message.scheduled_at is not None
    assert datetime.fromisoformat(message.scheduled_at) == at
    assert (message.template_slug, message.template_version) == ("welcome", 1)
    assert message.raw["publicId"] == message.public_id == sent.id
    sk.messages.cancel(sent.id)


def test_only_what_was_given_is_written() -> None:
    assert json.loads(send_body(TemplateSend("welcome", "a@example.com"))) == {
        "template": "welcome",
        "to": "a@example.com",
    }
    assert json.loads(send_body(RawSend("+1555", SmsContent("x"), idempotency_key="k"))) == {
        "to": "+1555",
        "channel": "sms",
        "content": {"body": "x"},
    }


def test_names_inside_variables_are_left_alone() -> None:
    send = TemplateSend("welcome", "a", vars={"first_name": {"from_": 1}}, metadata={"a_b": 1})

    body = json.loads(send_body(send))

    assert body["vars"] == {"first_name": {"from_": 1}}
    assert body["metadata"] == {"a_b": 1}


def test_any_mapping_and_any_sequence_will_do() -> None:
    frozen: Mapping[str, Any] = MappingProxyType({"name": "Ada"})
    send = TemplateSend("welcome", "a", vars=frozen, cc=("b", "c"))

    assert json.loads(send_body(send))["vars"] == {"name": "Ada"}
    assert json.loads(send_body(send))["cc"] == ["b", "c"]


@pytest.mark.parametrize(
    "send",
    [
        TemplateSend("welcome", "a", vars={"when": datetime.now(UTC)}),
        TemplateSend("welcome", "a", vars={"x": float("nan")}),
        RawSend("a", {"body": "x"}),
        RawSend("a", object()),  # type: ignore[arg-type]
        object(),
    ],
)
def test_what_json_cannot_hold_is_told_before_anything_is_sent(send: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        send_body(send)


@pytest.mark.parametrize("key", ["a\nb", "a\r\nX-Evil: 1", "a\x00b"])
def test_an_idempotency_key_cannot_smuggle_a_header(key: str, sk: SenderKit) -> None:
    with pytest.raises(ValueError, match="idempotency_key"):
        sk.send("welcome", "ada@example.com", idempotency_key=key)


@pytest.mark.parametrize("key", ["order-1001", "with spaces inside", "x" * 512])
def test_the_same_idempotency_key_gives_the_first_answer_again(key: str, sk: SenderKit) -> None:
    first, again = (sk.send("welcome", "ada@example.com", idempotency_key=key) for _ in range(2))

    assert (first.replayed, again.replayed, again.id) == (False, True, first.id)


def test_an_idempotency_key_in_any_letters_is_written_as_utf8() -> None:
    key = mint(Mode.TEST).token
    with scripted(play.accepted()) as server, SenderKit(key, base_url=server.url) as sk:
        sk.send("welcome", "ada@example.com", idempotency_key="größe 🙂")

    written = server.requests[0].headers["idempotency-key"].encode("latin-1")
    assert written == "größe 🙂".encode()


def test_every_bad_field_is_named_at_once(sk: SenderKit) -> None:
    with pytest.raises(SenderKitValidationError) as caught:
        sk.send("welcome", "nobody", version=0, cc=["no address"], scheduled_at="soon")

    error = caught.value
    assert (error.status, error.code) == (400, "invalid_request")
    assert {issue["path"][0] for issue in error.issues} >= {"version", "cc", "scheduledAt"}
    assert error.request_id is not None
    assert error.request_id.startswith("req_")


def test_a_key_without_the_scope_is_told_so_and_which(home: Home) -> None:
    refused = pytest.raises(SenderKitPermissionError, match="'send'")
    with SenderKit(home.scoped_keys["read"], base_url=home.url) as sk, refused as caught:
        sk.send("welcome", "ada@example.com")

    assert (caught.value.status, caught.value.code) == (403, "insufficient_scope")


def test_a_live_key_is_live(home: Home) -> None:
    with SenderKit(home.live_key, base_url=home.url) as sk:
        assert (sk.mode, sk.context().mode) == ("live", "live")
        with pytest.raises(SenderKitValidationError) as caught:
            sk.send("welcome", "ada@example.com")

    assert caught.value.code == "provider_not_configured"


def test_a_template_that_is_not_there_is_told(sk: SenderKit) -> None:
    with pytest.raises(SenderKitApiError) as caught:
        sk.send("nowhere", "ada@example.com")

    assert (caught.value.status, caught.value.code) == (404, "template_not_found")
