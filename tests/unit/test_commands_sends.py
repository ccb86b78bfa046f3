"""The bodies of /v1/send and /v1/send-raw."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from senderkit.commands import (
    RawSend,
    TemplateSend,
    check_envelope_allowed,
    parse_idempotency_key,
    parse_raw_send,
    parse_send,
)
from senderkit.domain import Channel, Envelope
from senderkit.errors import EnvelopeNotSupported, InvalidRequest

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
Path = tuple[str | int, ...]

CONTENTS: dict[str, dict[str, Any]] = {
    "email": {"subject": "Hi", "html": "<p>Hi</p>"},
    "sms": {"body": "Hi"},
    "push": {"title": "Hi", "body": "There"},
    "web-push": {"title": "Hi", "body": "There"},
}
RECIPIENTS = {
    "email": "ada@example.com",
    "sms": "+15555550100",
    "push": "token",
    "web-push": (
        '{"endpoint":"https://p.example/x","keys":{"auth":"AAAAAAAAAAAAAAAAAAAAAA",'
        f'"p256dh":"B{"A" * 86}"}}}}'
    ),
}
ENVELOPE_VALUES: dict[str, Any] = {
    "from": "a@b.example",
    "fromName": "Acme",
    "cc": ["a@b.example"],
    "bcc": ["a@b.example"],
    "replyTo": "a@b.example",
    "attachments": [{"filename": "a", "contentType": "a/b", "content": ""}],
}


def template_send(**changes: Any) -> TemplateSend:
    parsed = parse_send({"template": "welcome", "to": "ada@example.com"} | changes, now=NOW)
    assert isinstance(parsed, TemplateSend)
    return parsed


def raw_body(channel: str = "email", /, **changes: Any) -> dict[str, Any]:
    body = {"channel": channel, "to": RECIPIENTS[channel], "content": CONTENTS[channel]}
    return body | changes


def raw_send(channel: str = "email", /, **changes: Any) -> RawSend:
    return parse_raw_send(raw_body(channel, **changes), now=NOW)


def codes(parse: Callable[..., object], *args: Any, **kwargs: Any) -> dict[Path, str]:
    """The issues of a refused request: path -> code."""
    with pytest.raises(InvalidRequest) as caught:
        parse(*args, **kwargs)
    assert caught.value.code == "invalid_request"
    assert all(issue.message.endswith((".", "?")) for issue in caught.value.issues)
    return {issue.path: str(issue.code) for issue in caught.value.issues}


# -- template sends -----------------------------------------------------------------------------


def test_the_smallest_template_send() -> None:
    send = template_send()
    assert (send.template, send.to) == ("welcome", "ada@example.com")
    assert (send.version, send.channel, send.locale, send.scheduled_at) == (None,) * 4
    assert (send.vars, send.metadata, send.attachments) == ({}, {}, ())
    assert send.envelope == Envelope()


def test_the_fullest_template_send() -> None:
    send = parse_send(
        {
            "template": "Welcome.Mail-2_x",
            "to": "Ada <ada@example.com>",
            "version": 3,
            "channel": "email",
            "vars": {"a": [None, {"b": 1}]},
            "locale": "zh-Hant-TW",
            "metadata": {"s": "x", "n": 1, "f": 1.5, "b": False},
            "scheduledAt": "2026-11-24T11:00:00+01:00",
            "from": "Acme <noreply@mailhost>",
            "fromName": "Acme Support",
            "cc": ["a@b.example", "C D <c@d.example>"],
            "bcc": ["e@f.example"],
            "replyTo": "help@acme.example",
            "attachments": [
                {
                    "filename": "résumé.txt",
                    "contentType": "text/plain; charset=utf-8",
                    "content": "SGk",
                    "inline": True,
                    "contentId": "logo@acme",
                    "unknown": 1,
                }
            ],
        },
        now=NOW,
    )
    assert isinstance(send, TemplateSend)
    assert (send.template, send.version, send.channel) == ("welcome.mail-2_x", 3, Channel.EMAIL)
    assert (send.locale, send.vars) == ("zh-Hant-TW", {"a": [None, {"b": 1}]})
    assert send.metadata == {"s": "x", "n": 1, "f": 1.5, "b": False}
    assert type(send.metadata["n"]) is int
    assert send.metadata["b"] is False
    assert send.scheduled_at == datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    assert send.envelope == Envelope(
        from_address="Acme <noreply@mailhost>",
        from_name="Acme Support",
        cc=("a@b.example", "C D <c@d.example>"),
        bcc=("e@f.example",),
        reply_to="help@acme.example",
    )
    (attachment,) = send.attachments
    assert (attachment.filename, attachment.content) == ("résumé.txt", b"Hi")
    assert (attachment.inline, attachment.content_id) == (True, "logo@acme")


def test_null_means_absent_for_everything_optional() -> None:
    optional = (
        *("version", "channel", "vars", "locale", "metadata", "scheduledAt", "from", "fromName"),
        *("cc", "bcc", "replyTo", "attachments", "content"),
    )
    assert template_send(**dict.fromkeys(optional)) == template_send()


def test_a_command_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        template_send().template = "other"


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"template": ""}, ("template",), "too_short"),
        ({"template": 7}, ("template",), "invalid_type"),
        ({"template": "x" * 101}, ("template",), "too_long"),
        ({"template": None}, ("template",), "required"),
        ({"to": None}, ("to",), "invalid_type"),
        ({"to": ""}, ("to",), "too_short"),
        ({"to": ["a@b.example"]}, ("to",), "invalid_type"),
        ({"to": "x" * 8_193}, ("to",), "too_long"),
        ({"version": "1"}, ("version",), "invalid_type"),
        ({"version": True}, ("version",), "invalid_type"),
        ({"version": 1.5}, ("version",), "invalid_type"),
        ({"version": 0}, ("version",), "invalid_value"),
        ({"version": 2**31}, ("version",), "invalid_value"),
        ({"channel": "fax"}, ("channel",), "invalid_value"),
        ({"channel": "EMAIL"}, ("channel",), "invalid_value"),
        ({"channel": ["sms"]}, ("channel",), "invalid_value"),
        ({"vars": []}, ("vars",), "invalid_type"),
        ({"vars": "x"}, ("vars",), "invalid_type"),
        ({"locale": "en_GB"}, ("locale",), "invalid_value"),
        ({"locale": ""}, ("locale",), "invalid_value"),
        ({"locale": "e"}, ("locale",), "invalid_value"),
        ({"locale": "en\n"}, ("locale",), "invalid_value"),
        ({"locale": "en" + "-abcdefgh" * 5}, ("locale",), "too_long"),
        ({"metadata": []}, ("metadata",), "invalid_type"),
        ({"metadata": {"a": None}}, ("metadata", "a"), "invalid_type"),
        ({"metadata": {"a": {}}}, ("metadata", "a"), "invalid_type"),
        ({"metadata": {"a": [1]}}, ("metadata", "a"), "invalid_type"),
        ({"metadata": {"a": float("inf")}}, ("metadata", "a"), "invalid_type"),
        ({"metadata": {"": 1}}, ("metadata", ""), "invalid_value"),
        ({"metadata": {"k" * 129: 1}}, ("metadata", "k" * 129), "invalid_value"),
        ({"metadata": {"a": "x" * 2_001}}, ("metadata", "a"), "too_long"),
        ({"metadata": {str(i): i for i in range(101)}}, ("metadata",), "too_long"),
        ({"from": "nobody"}, ("from",), "invalid_value"),
        ({"from": ""}, ("from",), "required"),
        ({"from": "a@b.example\r\nBcc: x@y.example"}, ("from",), "invalid_value"),
        ({"from": "A\nB <a@b.example>"}, ("from",), "invalid_value"),
        ({"from": ["a@b.example"]}, ("from",), "invalid_type"),
        ({"fromName": "A\rB"}, ("fromName",), "invalid_value"),
        ({"fromName": "A\u2028B"}, ("fromName",), "invalid_value"),
        ({"fromName": "A\u2029B"}, ("fromName",), "invalid_value"),
        ({"fromName": "A\0B"}, ("fromName",), "invalid_value"),
        ({"fromName": "A\tB"}, ("fromName",), "invalid_value"),
        ({"fromName": "A <B"}, ("fromName",), "invalid_value"),
        ({"fromName": "A> B"}, ("fromName",), "invalid_value"),
        ({"fromName": ""}, ("fromName",), "too_short"),
        ({"fromName": "x" * 129}, ("fromName",), "too_long"),
        ({"cc": "a@b.example"}, ("cc",), "invalid_type"),
        ({"cc": ["a@b.example", "x"]}, ("cc", 1), "invalid_value"),
        ({"cc": ["a@b.example\n"]}, ("cc", 0), "invalid_value"),
        ({"cc": [None]}, ("cc", 0), "invalid_type"),
        ({"cc": ["a@b.example"] * 51}, ("cc",), "too_long"),
        ({"bcc": ["A\u2028 <a@b.example>"]}, ("bcc", 0), "invalid_value"),
        ({"bcc": ["a@b.example"] * 51}, ("bcc",), "too_long"),
        ({"replyTo": "a@host"}, ("replyTo",), "invalid_value"),
        ({"replyTo": ["a@b.example"]}, ("replyTo",), "invalid_type"),
        ({"replyTo": "a@b.example\r\nX: y"}, ("replyTo",), "invalid_value"),
        ({"attachments": {}}, ("attachments",), "invalid_type"),
        ({"interpolate": True}, ("interpolate",), "unknown_field"),
        ({"html": "x"}, ("html",), "unknown_field"),
        ({"scheduled_at": "x"}, ("scheduled_at",), "unknown_field"),
        ({"from_": "a@b.example"}, ("from_",), "unknown_field"),
    ],
)
def test_each_bad_field_is_named(changes: dict[str, Any], path: Path, code: str) -> None:
    body = {"template": "welcome", "to": "ada@example.com"} | changes
    assert codes(parse_send, body, now=NOW) == {path: code}


def test_every_bad_field_is_named_at_once() -> None:
    body = {
        "template": 1,
        "version": "1",
        "metadata": {"a": None, "": 1},
        "cc": ["x", "a@b.example", "y"],
        "scheduledAt": "tomorrow",
        "colour": "red",
    }
    assert set(codes(parse_send, body, now=NOW)) == {
        *(("template",), ("to",), ("version",), ("metadata", "a"), ("metadata", "")),
        *(("cc", 0), ("cc", 2), ("scheduledAt",), ("colour",)),
    }


def test_a_bad_recipient_is_named_beside_other_issues_when_the_channel_is_given() -> None:
    body = {"template": "x", "to": "nobody", "channel": "sms", "version": 0}
    assert set(codes(parse_send, body, now=NOW)) == {("to",), ("version",)}


def test_a_recipient_alone_waits_for_the_template() -> None:
    assert template_send(to="nobody", channel="sms").to == "nobody"


def test_a_mistyped_field_is_answered_with_the_right_one() -> None:
    with pytest.raises(InvalidRequest, match="Did you mean 'scheduledAt'"):
        template_send(scheduleAt="2026-11-24T10:00:00Z")


def test_a_template_and_content_together_are_refused() -> None:
    body = raw_body() | {"template": "welcome", "version": 0}
    assert set(codes(parse_send, body, now=NOW)) == {("content",), ("version",)}


@pytest.mark.parametrize("body", [{}, {"to": "a@b.example"}, {"template": None, "content": None}])
def test_neither_template_nor_content_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="Give 'template', or 'content'"):
        parse_send({"to": "ada@example.com"} | body, now=NOW)


def test_nothing_of_pydantic_shows() -> None:
    with pytest.raises(InvalidRequest) as caught:
        template_send(version="secret-value", vars="secret-value", metadata={"a": ["secret-value"]})
    told = f"{caught.value.message} {caught.value.issues}"
    assert "secret-value" not in told
    assert "pydantic" not in told


# -- raw sends ----------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", list(CONTENTS))
def test_a_raw_send_on_each_channel(channel: str) -> None:
    send = raw_send(channel)
    assert send == parse_send(raw_body(channel, template=None), now=NOW)
    assert (send.channel, send.content) == (Channel(channel), CONTENTS[channel])
    assert (send.recipient, send.interpolate, send.vars) == (RECIPIENTS[channel], False, {})
    assert (send.envelope, send.attachments) == (Envelope(), ())


def test_raw_content_is_kept_under_wire_names_without_the_envelope() -> None:
    send = raw_send(
        content={
            **{"subject": "S", "html": "", "preheader": "P", "text": None, "junk": 1},
            **{"cc": ["a@b.example"], "bcc": [], "replyTo": "R <r@b.example>"},
            "attachments": [{"filename": "a", "contentType": "a/b", "content": "SGk="}],
        },
        fromName="Acme",
        interpolate=True,
        vars={"a": 1},
    )
    assert send.content == {"subject": "S", "html": "", "preheader": "P"}
    assert send.envelope == Envelope(
        from_name="Acme", cc=("a@b.example",), reply_to="R <r@b.example>"
    )
    assert send.attachments[0].content == b"Hi"
    assert (send.interpolate, send.vars) == (True, {"a": 1})


def test_push_and_web_push_content_keep_their_names() -> None:
    push = CONTENTS["push"] | {"data": {"a": "b"}, "badge": 0, "sound": "ping"}
    assert raw_send("push", content=push).content == push
    web = CONTENTS["push"] | {"icon": "i", "clickUrl": "u", "badge": 1, "data": {"a": None}}
    assert raw_send("web-push", content=web).content == web


def test_a_recipient_is_compared_bare() -> None:
    send = raw_send(to="Ada <ADA@Example.com>")
    assert (send.recipient, send.recipient_key) == ("Ada <ADA@Example.com>", "ada@example.com")


@pytest.mark.parametrize(
    ("channel", "content", "path", "code"),
    [
        ("email", {"html": ""}, ("subject",), "required"),
        ("email", {"subject": ""}, ("html",), "required"),
        ("email", {"subject": "", "mjml": ""}, ("html",), "required"),
        ("email", {"subject": None, "html": ""}, ("subject",), "invalid_type"),
        ("email", {"subject": "a\r\nBcc: x@y.example", "html": ""}, ("subject",), "invalid_value"),
        ("email", {"subject": "a\u2028", "html": ""}, ("subject",), "invalid_value"),
        ("email", {"subject": "a\x0b", "html": ""}, ("subject",), "invalid_value"),
        ("email", {"subject": "a" * 999, "html": ""}, ("subject",), "too_long"),
        ("email", {"subject": "", "html": 1}, ("html",), "invalid_type"),
        ("email", {"subject": "", "html": "", "text": 1}, ("text",), "invalid_type"),
        ("email", {"subject": "", "html": "", "cc": ["x"]}, ("cc", 0), "invalid_value"),
        ("email", {"subject": "", "html": "", "bcc": ["x"]}, ("bcc", 0), "invalid_value"),
        ("email", {"subject": "", "html": "", "replyTo": "a\n"}, ("replyTo",), "invalid_value"),
        ("sms", {}, ("body",), "required"),
        ("sms", {"body": ""}, ("body",), "too_short"),
        ("sms", {"body": 1}, ("body",), "invalid_type"),
        ("push", {"title": ""}, ("body",), "required"),
        ("push", {"title": "", "body": "", "badge": -1}, ("badge",), "invalid_value"),
        ("push", {"title": "", "body": "", "badge": "1"}, ("badge",), "invalid_type"),
        ("push", {"title": "", "body": "", "badge": True}, ("badge",), "invalid_type"),
        ("push", {"title": "", "body": "", "data": {"a": 1}}, ("data", "a"), "invalid_type"),
        ("push", {"title": "", "body": "", "sound": 1}, ("sound",), "invalid_type"),
        ("web-push", {"body": ""}, ("title",), "required"),
        ("web-push", {"title": "", "body": "", "badge": "/b.png"}, ("badge",), "invalid_type"),
        ("web-push", {"title": "", "body": "", "clickUrl": 1}, ("clickUrl",), "invalid_type"),
        ("web-push", {"title": "", "body": "", "data": []}, ("data",), "invalid_type"),
    ],
)
def test_each_bad_part_of_raw_content_is_named(
    channel: str, content: dict[str, Any], path: Path, code: str
) -> None:
    assert codes(raw_send, channel, content=content) == {("content", *path): code}


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"channel": None}, ("channel",), "invalid_value"),
        ({"channel": "fax"}, ("channel",), "invalid_value"),
        ({"to": "nobody"}, ("to",), "invalid_value"),
        ({"to": 1}, ("to",), "invalid_type"),
        ({"content": "Hi"}, ("content",), "invalid_type"),
        ({"interpolate": "true"}, ("interpolate",), "invalid_type"),
        ({"interpolate": 1}, ("interpolate",), "invalid_type"),
        ({"template": "welcome"}, ("template",), "unknown_field"),
        ({"version": 1}, ("version",), "unknown_field"),
        ({"locale": "en"}, ("locale",), "unknown_field"),
        ({"cc": ["a@b.example"]}, ("cc",), "unknown_field"),
        ({"replyTo": "a@b.example"}, ("replyTo",), "unknown_field"),
        ({"from": "x"}, ("from",), "invalid_value"),
        ({"metadata": {"a": []}}, ("metadata", "a"), "invalid_type"),
    ],
)
def test_each_bad_field_of_a_raw_send_is_named(
    changes: dict[str, Any], path: Path, code: str
) -> None:
    assert codes(raw_send, **changes) == {path: code}


def test_send_raw_needs_channel_to_and_content() -> None:
    found = codes(parse_raw_send, {}, now=NOW)
    assert found == {("channel",): "required", ("to",): "required", ("content",): "required"}


def test_a_misplaced_copy_is_told_where_it_belongs() -> None:
    with pytest.raises(InvalidRequest, match="belongs inside 'content'"):
        raw_send(bcc=["a@b.example"])


# -- the envelope -------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["sms", "push", "web-push"])
@pytest.mark.parametrize("name", list(ENVELOPE_VALUES))
def test_email_only_fields_are_refused_elsewhere(channel: str, name: str) -> None:
    given = {name: ENVELOPE_VALUES[name]}
    for changes in (given, {name: "nonsense"}):
        with pytest.raises(EnvelopeNotSupported) as caught:
            raw_send(channel, **changes)
        assert [(issue.path, str(issue.code)) for issue in caught.value.issues] == [
            ((name,), "envelope_not_supported")
        ]
    with pytest.raises(EnvelopeNotSupported):
        check_envelope_allowed(Channel(channel), template_send(**given))
    with pytest.raises(EnvelopeNotSupported):
        check_envelope_allowed(Channel(channel), template_send(channel=channel, **given))
    check_envelope_allowed(Channel.EMAIL, template_send(**given))


@pytest.mark.parametrize("name", ["cc", "bcc", "replyTo", "attachments"])
def test_email_only_fields_inside_other_content_are_refused(name: str) -> None:
    content = CONTENTS["sms"] | {name: ENVELOPE_VALUES[name]}
    with pytest.raises(EnvelopeNotSupported) as caught:
        raw_send("sms", content=content)
    assert caught.value.issues[0].path == ("content", name)


@pytest.mark.parametrize("channel", list(CONTENTS))
@pytest.mark.parametrize("empty", [None, []])
def test_an_empty_list_or_null_is_absent_on_every_channel(channel: str, empty: object) -> None:
    nothing = dict.fromkeys(("cc", "bcc", "attachments"), empty) | {"replyTo": None}
    content = CONTENTS[channel] | nothing
    assert raw_send(channel, **nothing, content=content) == raw_send(channel)
    send = template_send(**nothing)
    check_envelope_allowed(Channel(channel), send)
    assert send == template_send()


def test_an_email_only_field_beside_another_issue_is_named_with_it() -> None:
    found = codes(raw_send, "sms", to="x", cc=["a@b.example"])
    assert found == {("to",): "invalid_value", ("cc",): "envelope_not_supported"}


def test_email_only_fields_of_another_channel_never_reach_the_envelope() -> None:
    send = template_send(channel="sms", **ENVELOPE_VALUES)
    assert (send.envelope, send.attachments) == (Envelope(), ())


# -- scheduledAt --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24T10:00:00Z", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("2026-11-24T10:00Z", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("2026-11-24T10:00:00.5Z", datetime(2026, 11, 24, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-24T10:00:00.123456789Z", datetime(2026, 11, 24, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-11-24T15:30:00+05:30", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("2026-11-24T01:00:00.000-09:00", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("2026-11-24T10:00:00-00:00", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("2026-12-24T09:00:00Z", datetime(2026, 12, 24, 9, tzinfo=UTC)),
        ("2026-11-24T09:00:00.001Z", datetime(2026, 11, 24, 9, 0, 0, 1_000, tzinfo=UTC)),
        ("2026-11-24T09:00:00Z", None),
        ("2026-11-24T08:59:55Z", None),
    ],
)
def test_a_moment_is_read_in_utc_and_the_last_seconds_are_now(
    text: str, moment: datetime | None
) -> None:
    for send in (template_send(scheduledAt=text), raw_send(scheduledAt=text)):
        assert send.scheduled_at == moment
        assert moment is None or send.scheduled_at.utcoffset() == timedelta()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("2026-11-24T10:00:00", "offset"),
        ("2026-11-24T10:00:00.123", "offset"),
        ("2026-11-24T08:59:54.999Z", "future"),
        ("2020-01-01T00:00:00Z", "future"),
        ("0001-01-01T00:00:00+23:59", "future"),
        ("2026-12-24T09:00:00.001Z", "30 days"),
        ("9999-12-31T23:59:59-23:59", "30 days"),
        ("2026-02-30T10:00:00Z", "no such"),
        ("2026-11-24T24:00:00Z", "no such"),
        ("2026-11-24T10:60:00Z", "no such"),
        ("2026-11-24T10:00:60Z", "no such"),
        ("0000-11-24T10:00:00Z", "no such"),
        *(
            (text, "Must be a date and time")
            for text in ("", "tomorrow", "2026-11-24", "1795514400")
        ),
        ("2026-11-24 10:00:00Z", "Must be a date and time"),
        ("2026-11-24t10:00:00z", "Must be a date and time"),
        ("20261124T100000Z", "Must be a date and time"),
        ("2026-W48-2T10:00:00Z", "Must be a date and time"),
        ("2026-11-24T10:00:00,5Z", "Must be a date and time"),
        ("2026-11-24T10:00:00.Z", "Must be a date and time"),
        ("2026-11-24T10:00:00.1234567890Z", "Must be a date and time"),
        ("2026-11-24T10:00:00+0100", "Must be a date and time"),
        ("2026-11-24T10:00:00+01", "Must be a date and time"),
        ("2026-11-24T10:00:00+24:00", "Must be a date and time"),
        ("2026-11-24T10:00:00+01:60", "Must be a date and time"),
        ("2026-11-24T10:00:00Z\n", "Must be a date and time"),
        (" 2026-11-24T10:00:00Z", "Must be a date and time"),
        ("\uff12026-11-24T10:00:00Z", "Must be a date and time"),
        ("+2026-11-24T10:00:00Z", "Must be a date and time"),
        (1795514400, "Must be a string"),
        (True, "Must be a string"),
    ],
)
def test_any_other_moment_is_refused_with_the_reason(value: object, told: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        template_send(scheduledAt=value)
    (issue,) = caught.value.issues
    assert issue.path == ("scheduledAt",)
    assert told in issue.message


# -- the idempotency key ------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "", " ", " \t "])
def test_an_empty_idempotency_key_is_absent(value: str | None) -> None:
    assert parse_idempotency_key(value) is None


@pytest.mark.parametrize(
    "value", ["a", "order 7 / mail", "k" * 512, "clé".encode().decode("latin-1")]
)
def test_an_idempotency_key_is_hashed_byte_for_byte(value: str) -> None:
    expected = hashlib.sha256(value.encode("latin-1")).hexdigest()
    assert parse_idempotency_key(value) == expected


def test_a_key_of_the_same_bytes_is_the_same_however_it_was_decoded() -> None:
    as_wsgi = "ключ".encode().decode("latin-1")
    assert parse_idempotency_key(as_wsgi) == parse_idempotency_key("ключ")


@pytest.mark.parametrize("value", ["k" * 513, "ж" * 257])
def test_an_overlong_idempotency_key_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="512 bytes"):
        parse_idempotency_key(value)
