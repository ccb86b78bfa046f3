from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from senderkit.http_client import FormFile, HttpClient, Reply, Request
from tests.fakes_http import Answer, FakeProvider

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
URL = "https://api.example/send"

AWKWARD = [
    ("plain", "x"),
    ("spaces and +", "a b+c"),
    ("ünïcode", "Grüße 👋"),
    ("amp&eq=", "a=1&b=2%20"),
    ("lines", "a\r\nb\nc"),
    ("empty", ""),
    ("twice", "1"),
    ("twice", "2"),
]


def test_a_json_body_is_ascii_and_reads_back() -> None:
    payload = {"a": [1, None, True, "Grüße 👋 \u2028"], "b": {"c": 1.5}}
    request = Request.post_json(URL, payload, {"X-Token": "t"})
    assert request.method == "POST"
    assert request.headers == {"Content-Type": "application/json", "X-Token": "t"}
    assert request.body is not None
    assert request.body.isascii()
    assert json.loads(request.body) == payload


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_say_is_not_sent(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Request.post_json(URL, {"a": number})


def test_a_content_type_of_ones_own_wins() -> None:
    request = Request.post_json(URL, {}, {"Content-Type": "application/vnd.api+json"})
    assert request.headers == {"Content-Type": "application/vnd.api+json"}


def test_a_form_arrives_as_it_was_given(provider: FakeProvider, client: HttpClient) -> None:
    provider.answer("POST /", Answer())
    client.send(Request.post_form(f"{provider.url}/", AWKWARD))
    assert provider.requests[0].form == AWKWARD


def test_a_multipart_form_arrives_as_it_was_given(
    provider: FakeProvider, client: HttpClient
) -> None:
    content = bytes(range(256))
    files = [
        FormFile("attachment", 'odd "name".txt', "text/plain; charset=utf-8", content),
        FormFile("attachment", "Grüße.pdf", "application/pdf", b""),
    ]
    provider.answer("POST /", Answer())
    client.send(Request.post_multipart(f"{provider.url}/", AWKWARD, files))
    parts: list[Any] = provider.requests[0].parts
    texts = [(name, part.get_payload(decode=True).decode()) for name, part in parts[:-2]]
    assert [value for _, value in texts] == [value for _, value in AWKWARD]
    assert [name for name, _ in texts if name.isascii()] == [n for n, _ in AWKWARD if n.isascii()]
    assert parts[-2][1].get_payload(decode=True) == content
    assert parts[-2][1]["Content-Type"] == "text/plain; charset=utf-8"
    assert parts[-1][1].get_content_type() == "application/pdf"
    assert 'filename="Grüße.pdf"'.encode() in provider.requests[0].body


@pytest.mark.parametrize("evil", ["a\r\nX-Evil: 1", 'a"; x="', "a\nb", "a\x00"])
def test_names_in_a_multipart_form_cannot_break_out(
    evil: str, provider: FakeProvider, client: HttpClient
) -> None:
    provider.answer("POST /", Answer())
    file = FormFile(evil, evil, "text/plain", b"x")
    client.send(Request.post_multipart(f"{provider.url}/", [(evil, "v")], [file]))
    for _, part in provider.requests[0].parts:
        assert set(part.keys()) <= {"Content-Disposition", "Content-Type"}
        assert "\n" not in part["Content-Disposition"]


def test_a_content_type_in_a_multipart_form_cannot_break_out() -> None:
    file = FormFile("a", "a.txt", "text/plain\r\nX-Evil: 1", b"x")
    with pytest.raises(ValueError, match="header"):
        Request.post_multipart(URL, [], [file])


def test_nothing_of_a_request_or_a_reply_is_printed_but_method_and_status() -> None:
    secret = "s3cr3t"
    request = Request("POST", f"{URL}?{secret}", {"X": secret}, secret.encode())
    reply = Reply(200, {"x": secret}, secret.encode())
    file = FormFile("a", "b", "c", secret.encode())
    assert secret not in f"{request!r}{reply!r}{file!r}"


# -- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"\xef\xbb\xbf[1]", [1]),
        (b"null", None),
        (b"", None),
        (b"<html>Bad gateway</html>", None),
        (b'{"a": ', None),
        (b"\xff\xfe\xfd", None),
        (b"[" * 100_000, None),
        (b"9" * 10_000, None),
        (b'{"a": 1} trailing', None),
    ],
)
def test_json_is_read_and_whatever_is_none_is_nothing(body: bytes, value: Any) -> None:
    assert Reply(200, body=body).find_json() == value
    assert Reply(200, body=body).json_object() == (value if isinstance(value, dict) else {})


def test_a_body_that_is_no_text_can_still_be_shown() -> None:
    assert Reply(500, body=b"a\xff\xc3\xa9").text() == "a\ufffdé"


@pytest.mark.parametrize(
    ("status", "is_success"),
    [(199, False), (200, True), (204, True), (299, True), (300, False), (422, False)],
)
def test_a_success_is_any_2xx(status: int, is_success: bool) -> None:
    assert Reply(status).is_success == is_success


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("30", 30),
        (" 30 ", 30),
        ("999999999", 999_999_999),
        ("Mon, 02 Mar 2026 12:01:30 GMT", 90),
        ("Mon, 02 Mar 2026 13:01:30 +0100", 90),
        ("Mon, 02 Mar 2026 12:01:30 -0000", 90),
        ("Monday, 02-Mar-26 12:01:30 GMT", 90),
        ("Mon, 02 Mar 2026 11:00:00 GMT", 0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 5_000, None),
        ("soon", None),
        ("Mon, 99 Mar 2026 12:01:30 GMT", None),
        ("Mon, 02 Mar 99999 12:01:30 GMT", None),
        ("30, 60", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert Reply(429, {"retry-after": value}).find_retry_after_seconds(NOON) == seconds


def test_without_retry_after_there_is_no_hint() -> None:
    assert Reply(429).find_retry_after_seconds(NOON) is None
    assert Reply(503, {"date": "x"}).find_retry_after_seconds(NOON + timedelta(days=1)) is None
