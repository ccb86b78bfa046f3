"""`POST /v1/send` and `/v1/send-raw`: what is accepted, answered and stored."""

from __future__ import annotations

import base64
from typing import Any, Final

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from senderkit.commands.recipients import EXAMPLE_SUBSCRIPTION
from senderkit.models import (
    IdempotencyKey,
    Message,
    MessageAttachment,
    MessageContent,
    MessageMetadata,
    TimelineEntry,
)
from tests.make import Api, House, email_content, raw_email

RAW: Final[dict[str, dict[str, Any]]] = {
    "email": raw_email(),
    "sms": {"channel": "sms", "to": "+15555550100", "content": {"body": "Hi"}},
    "push": {
        "channel": "push",
        "to": "ExponentPushToken[abc]",
        "content": {"title": "t", "body": "b", "data": {"a": "b"}, "badge": 0, "sound": "x"},
    },
    "web-push": {
        "channel": "web-push",
        "to": EXAMPLE_SUBSCRIPTION,
        "content": {"title": "t", "body": "b", "icon": "/i", "clickUrl": "/c", "badge": 3},
    },
}
ENVELOPE: Final = {
    "from": "Acme <hello@acme.example>",
    "fromName": "Acme Support",
    "cc": ["Bob <bob@example.com>"],
    "bcc": ["eve@example.com"],
    "replyTo": "help@acme.example",
    "attachments": [{"filename": "a.txt", "contentType": "text/plain", "content": "SGk="}],
}


def stored(house: House) -> list[int]:
    """How many rows each table of a send has."""
    tables = (Message, MessageContent, TimelineEntry, MessageMetadata, MessageAttachment)
    with house.runtime.reader.connect() as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (*tables, IdempotencyKey)
        ]


def issues(answer: TestResponse) -> dict[str, str]:
    """A refused request: dotted path -> code."""
    assert answer.status_code == 400, answer.text
    return {
        ".".join(map(str, issue["path"])): issue["code"]
        for issue in answer.json["error"]["issues"]  # type: ignore[index]
    }


# -- what is answered ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/send", "/v1/send-raw"])
def test_a_raw_send_of_each_channel_is_accepted(api: Api, path: str) -> None:
    for channel, body in RAW.items():
        answer = api.post(path, body)
        assert answer.status_code == 202, answer.text
        message_id = answer.json["id"]  # type: ignore[index]
        assert answer.json == {"id": message_id, "status": "queued", "livemode": False}
        message = api.message(message_id)
        assert (message["channel"], message["recipient"]) == (channel, body["to"])


def test_a_message_just_accepted(api: Api, house: House) -> None:
    message_id = api.send(vars={"a": [1]}, metadata={"n": 1, "f": 1.5, "t": "x", "b": True})
    message = api.message(message_id)
    assert len(message["id"]) == len(message["workspaceId"]) == 36
    assert message == {
        **{"id": message["id"], "publicId": message_id, "workspaceId": message["workspaceId"]},
        **{"templateSlug": None, "templateVersion": None, "channel": "email"},
        **{"status": "queued", "livemode": False, "recipient": "ada@example.com"},
        **{"vars": {"a": [1]}, "metadata": {"n": 1, "f": 1.5, "t": "x", "b": True}},
        **{"fromOverride": None, "provider": None, "providerConnectionId": None},
        **{"providerMessageId": None, "latencyMs": None, "error": None},
        "timeline": [{"t": "2026-11-24T10:00:00.000Z", "e": "queued"}],
        **{"scheduledAt": None, "openedAt": None, "clickedAt": None},
        "createdAt": "2026-11-24T10:00:00.000Z",
    }


def test_a_template_send(house: House, api: Api) -> None:
    house.template()
    body = {"template": "Welcome", "to": "Ada <ada@example.com>", "vars": {"name": "Ada"}}
    answer = api.post("/v1/send", body)
    assert answer.status_code == 202
    message = api.message(answer.json["id"])  # type: ignore[index]
    assert (message["templateSlug"], message["templateVersion"]) == ("welcome", 1)
    assert message["recipient"] == "Ada <ada@example.com>"


def test_a_live_key_sends_live(live_house: House) -> None:
    api = live_house.api("live")
    answer = api.post("/v1/send", raw_email())
    assert answer.status_code == 202
    assert answer.json["livemode"] is True  # type: ignore[index]
    assert api.message(answer.json["id"])["livemode"] is True  # type: ignore[index]


def test_without_a_provider_a_live_send_is_refused_and_a_test_send_is_not(
    live_house: House,
) -> None:
    for channel, body in RAW.items():
        answer = live_house.api("live").post("/v1/send", body)
        expected = 202 if channel == "email" else 400
        assert answer.status_code == expected, channel
        if expected == 400:
            assert answer.json["error"]["code"] == "provider_not_configured"  # type: ignore[index]
        assert live_house.api("test").post("/v1/send", body).status_code == 202
    assert stored(live_house)[0] == 5


def test_the_whole_envelope_is_accepted_for_email(api: Api, house: House) -> None:
    house.template()
    sender = {name: ENVELOPE[name] for name in ("from", "fromName")}
    copies = {name: value for name, value in ENVELOPE.items() if name not in sender}
    by_template = {"template": "welcome", "to": "ada@example.com"} | ENVELOPE
    raw = raw_email(content={"subject": "s", "html": ""} | copies) | sender
    for body in (by_template, raw):
        answer = api.post("/v1/send", body)
        assert answer.status_code == 202, answer.text
        message = api.message(answer.json["id"])  # type: ignore[index]
        assert message["fromOverride"] == "Acme Support <hello@acme.example>"
    assert house.rows("SELECT count(*) FROM message_attachments") == [(2,)]


def test_content_goes_out_exactly_as_given_unless_asked_to_interpolate(
    api: Api, house: House
) -> None:
    content = {"subject": "{{a}}", "html": "<b>{{a}}</b>{{{a}}}"}
    message_ids = [
        api.send(content=content, vars={"a": "<&"}),
        api.send(content=content, vars={"a": "<&"}, interpolate=True),
    ]
    house.clock.advance(seconds=1)
    house.deliver()
    rendered = [rendered_of(house, message_id) for message_id in message_ids]
    assert (rendered[0]["subject"], rendered[0]["html"]) == ("{{a}}", "<b>{{a}}</b>{{{a}}}")
    assert (rendered[1]["subject"], rendered[1]["html"]) == ("<&", "<b>&lt;&amp;</b><&")


def rendered_of(house: House, message_id: str) -> dict[str, Any]:
    statement = (
        select(MessageContent.rendered)
        .join(Message, Message.id == MessageContent.message_id)
        .where(Message.public_id == message_id)
    )
    with house.runtime.reader.connect() as connection:
        found: dict[str, Any] = connection.execute(statement).scalar_one()
    return found


# -- who it is for ------------------------------------------------------------------------------


def test_a_template_s_channel_decides_what_a_recipient_is(house: House, api: Api) -> None:
    contents = {name: body["content"] for name, body in RAW.items()}
    for channel in RAW:
        house.template(channel, channel=channel, content=contents[channel])
        for other, other_body in RAW.items():
            send = {"template": channel, "to": other_body["to"]}
            answer = api.post("/v1/send", send)
            # A device token may be any visible text.
            is_right = other == channel or (channel == "push" and " " not in other_body["to"])
            assert answer.status_code == (202 if is_right else 400), (channel, other)
            if not is_right:
                assert issues(answer) == {"to": "invalid_value"}


BAD_ADDRESSES: Final = (
    *("ada", "ada@", "@example.com", "ada@example", "ada@example.com, bob@example.com", ""),
    *("ada@example.com\r\nBcc: eve@example.com", "Ada\n<ada@example.com>", "a b@example.com"),
    *("ada@example.com\u2028", "ada\x00@example.com", "x" * 9000, "Ada <ada@example.com> x"),
)


def test_a_bad_address_stores_nothing(api: Api, house: House) -> None:
    for to in BAD_ADDRESSES:
        for body in (raw_email(to=to), {"template": "a", "to": to, "channel": "email", "x": 1}):
            assert "to" in issues(api.post("/v1/send", body)), to
    assert stored(house) == [0] * 6


def test_an_unlisted_domain_is_as_good_as_any(api: Api) -> None:
    for to in ("ada@mail.internal.test", "ada@bücher.example", "ada+tag@localhost.localdomain"):
        assert api.message(api.send(to=to))["recipient"] == to


# -- what belongs to another channel ------------------------------------------------------------


def test_email_only_fields_are_refused_on_every_other_channel(house: House, api: Api) -> None:
    for channel in ("sms", "push", "web-push"):
        house.template(channel, channel=channel, content=RAW[channel]["content"])
        for name, value in ENVELOPE.items():
            by_template = {"template": channel, "to": RAW[channel]["to"], name: value}
            inside = RAW[channel] | {"content": RAW[channel]["content"] | {name: value}}
            bodies = [by_template, RAW[channel] | {name: value}]
            if name not in {"from", "fromName"}:
                bodies.append(inside)
            for body in bodies:
                answer = api.post("/v1/send", body)
                assert answer.status_code == 400, (channel, name)
                assert answer.json["error"]["code"] == "envelope_not_supported"  # type: ignore[index]
                assert issues(answer)
    assert stored(house) == [0] * 6


def test_an_empty_list_is_absent_on_every_channel(house: House, api: Api) -> None:
    for channel, raw in RAW.items():
        house.template(channel, channel=channel, content=raw["content"])
        for name in ("cc", "bcc", "attachments"):
            by_template = {"template": channel, "to": raw["to"], name: []}
            for body in (by_template, raw | {"content": raw["content"] | {name: []}}):
                assert api.post("/v1/send", body).status_code == 202, (channel, name)


def test_another_channel_than_the_template_s_is_a_mismatch(house: House, api: Api) -> None:
    house.template()
    send = {"template": "welcome", "to": "ada@example.com"}
    assert api.post("/v1/send", send | {"channel": "email"}).status_code == 202
    for channel in ("sms", "push", "web-push"):
        answer = api.post("/v1/send", send | {"channel": channel})
        assert answer.json["error"]["code"] == "channel_mismatch"  # type: ignore[index]
        assert issues(answer) == {"channel": "channel_mismatch"}


# -- one kind of send or the other --------------------------------------------------------------


def test_both_kinds_or_neither_are_refused(api: Api, house: House) -> None:
    house.template()
    both = raw_email(template="welcome")
    assert "content" in issues(api.post("/v1/send", both))
    assert "template" in issues(api.post("/v1/send", {"to": "ada@example.com"}))
    assert stored(house) == [0] * 6


def test_send_raw_takes_no_template(house: House, api: Api) -> None:
    house.template()
    answer = api.post("/v1/send-raw", {"template": "welcome", "to": "ada@example.com"})
    assert issues(answer)["template"] == "unknown_field"


# -- attachments --------------------------------------------------------------------------------


def with_attachments(*sizes: int) -> dict[str, Any]:
    files = [
        {
            "filename": f"{number}.bin",
            "contentType": "application/octet-stream",
            "content": base64.b64encode(b"x" * size).decode(),
        }
        for number, size in enumerate(sizes)
    ]
    return raw_email(content={"subject": "s", "html": "", "attachments": files})


def test_ten_megabytes_of_attachments_are_taken_and_one_byte_more_is_not(
    api: Api, house: House
) -> None:
    assert api.post("/v1/send", with_attachments(4_000_000, 6_000_000)).status_code == 202
    before = stored(house)
    for sizes in ((10_000_001,), (4_000_000, 6_000_001), (11_000_000,)):
        answer = api.post("/v1/send", with_attachments(*sizes))
        assert issues(answer) == {"content.attachments": "too_long"}
        assert "10 MB" in answer.text
    by_template = {
        "template": "welcome",
        "to": "ada@example.com",
        "attachments": with_attachments(11_000_000)["content"]["attachments"],
    }
    assert issues(api.post("/v1/send", by_template)) == {"attachments": "too_long"}
    assert stored(house) == before


# -- which version ------------------------------------------------------------------------------


def add_version(api: Api, number: int) -> None:
    answer = api.post(
        "/v1/templates/welcome/versions", {"content": email_content(subject=f"v{number}")}
    )
    assert answer.json == {"versionNumber": number}


def version_of(api: Api, **more: Any) -> Any:
    body = {"template": "welcome", "to": "ada@example.com"} | more
    answer = api.post("/v1/send", body)
    if answer.status_code != 202:
        return answer.json["error"]["code"]  # type: ignore[index]
    return api.message(answer.json["id"])["templateVersion"]  # type: ignore[index]


def test_live_sends_the_published_version_test_the_newest_and_a_pin_wins(
    live_house: House,
) -> None:
    live, test = live_house.api("live"), live_house.api("test")
    live_house.template(publish=False)
    assert (version_of(live), version_of(test)) == ("template_not_published", 1)
    live_house.publish("welcome")
    add_version(test, 2)
    assert (version_of(live), version_of(test)) == (1, 2)
    live_house.publish("welcome", 2)
    add_version(test, 3)
    assert (version_of(live), version_of(test)) == (2, 3)
    for api in (live, test):
        assert [version_of(api, version=number) for number in (1, 2, 3)] == [1, 2, 3]
        assert version_of(api, version=4) == "version_not_found"
        assert version_of(api, version=2**31 - 1) == "version_not_found"


def test_a_scheduled_send_keeps_the_version_it_was_accepted_with(house: House, api: Api) -> None:
    house.template(content=email_content(subject="v1"))
    sent = {"template": "welcome", "to": "ada@example.com"}
    answer = api.post("/v1/send", sent | {"scheduledAt": "2026-11-24T11:00:00Z"})
    message_id = answer.json["id"]  # type: ignore[index]
    add_version(api, 2)
    house.publish("welcome", 2)
    house.clock.advance(hours=2)
    house.deliver()
    assert api.message(message_id)["templateVersion"] == 1
    assert rendered_of(house, message_id)["subject"] == "v1"


# -- metadata and variables come back as they were given ------------------------------------------


def test_values_come_back_as_they_were_given(api: Api) -> None:
    values = {
        **{"zero": 0, "minus": -1, "big": 2**63 - 1, "small": -(2**63), "half": 0.5},
        **{
            "tiny": 5e-324,
            "huge": 1.7976931348623157e308,
            "text": "",
            "emoji": "👩‍👩‍👧",
            "no": False,
        },
        **{"quote": "\"'\\", "control": "\x01\x1f\x7f\u2028", "rtl": "שלום", "true": "true"},
        "emoji": "👩‍👩‍👧",
    }
    variables = values | {"null": None, "list": [1, [2, {"a": None}]], "": {"": {}}}
    message = api.message(api.send(metadata=values, vars=variables))
    assert message["metadata"] == values
    assert message["vars"] == variables
