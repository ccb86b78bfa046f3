"""Files of an email."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from senderkit.commands import RawSend, TemplateSend, parse_send
from senderkit.errors import InvalidRequest

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
FILE = {"filename": "a.txt", "contentType": "text/plain", "content": "SGVsbG8="}


def send_with(*attachments: Any) -> TemplateSend | RawSend:
    body = {"template": "x", "to": "a@b.example", "attachments": list(attachments)}
    return parse_send(body, now=NOW)


def file_of(size: int) -> dict[str, Any]:
    return FILE | {"content": base64.b64encode(bytes(size)).decode()}


@pytest.mark.parametrize(
    ("content", "decoded"),
    [("", b""), ("SGVsbG8=", b"Hello"), ("SGVsbG8", b"Hello"), ("+/+/", b"\xfb\xff\xbf")],
)
def test_content_is_decoded_with_or_without_padding(content: str, decoded: bytes) -> None:
    assert send_with(FILE | {"content": content}).attachments[0].content == decoded


def test_what_is_optional_may_be_left_out_or_null() -> None:
    bare, null = send_with(FILE, FILE | {"inline": None, "contentId": None}).attachments
    assert bare == null
    assert (bare.inline, bare.content_id) == (False, None)


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/pdf", "image/svg+xml", "application/vnd.ms-excel.sheet.macroEnabled.12"),
        *("text/plain;charset=utf-8", 'text/calendar; method=REQUEST; name="a b.ics"'),
    ],
)
def test_a_media_type_may_have_parameters(content_type: str) -> None:
    assert send_with(FILE | {"contentType": content_type}).attachments[0].content_type


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"filename": ""}, "filename", "too_short"),
        ({"filename": "a" * 256}, "filename", "too_long"),
        ({"filename": 'a"\r\nX: y'}, "filename", "invalid_value"),
        ({"filename": "a\u2028"}, "filename", "invalid_value"),
        ({"filename": None}, "filename", "invalid_type"),
        ({"contentType": "pdf"}, "contentType", "invalid_value"),
        ({"contentType": "a/b\r\nX: y"}, "contentType", "invalid_value"),
        ({"contentType": "a/b\n"}, "contentType", "invalid_value"),
        ({"contentType": "a/b; x"}, "contentType", "invalid_value"),
        ({"contentType": 'a/b; x="y\nz"'}, "contentType", "invalid_value"),
        ({"contentType": "ä/b"}, "contentType", "invalid_value"),
        ({"contentType": "a/b/c"}, "contentType", "invalid_value"),
        ({"content": "SGVs bG8="}, "content", "invalid_value"),
        ({"content": "SGVsbG8=\n"}, "content", "invalid_value"),
        ({"content": "SGVsbG8=="}, "content", "invalid_value"),
        ({"content": "=SGVsbG8"}, "content", "invalid_value"),
        ({"content": "S=GVsbG8"}, "content", "invalid_value"),
        ({"content": "A"}, "content", "invalid_value"),
        ({"content": "-_-_"}, "content", "invalid_value"),
        ({"content": "SGVsbGé="}, "content", "invalid_value"),
        ({"content": "data:text/plain;base64,SGVsbG8="}, "content", "invalid_value"),
        ({"content": 7}, "content", "invalid_type"),
        ({"content": None}, "content", "invalid_type"),
        ({"inline": "true"}, "inline", "invalid_type"),
        ({"inline": 1}, "inline", "invalid_type"),
        ({"contentId": ""}, "contentId", "too_short"),
        ({"contentId": "<logo>"}, "contentId", "invalid_value"),
        ({"contentId": "a b"}, "contentId", "invalid_value"),
        ({"contentId": 'a"'}, "contentId", "invalid_value"),
        ({"contentId": "a\r\nX:y"}, "contentId", "invalid_value"),
        ({"contentId": "x" * 256}, "contentId", "too_long"),
    ],
)
def test_each_bad_field_of_an_attachment_is_named(
    changes: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        send_with(FILE, FILE | changes)
    found = [(issue.path, str(issue.code)) for issue in caught.value.issues]
    assert found == [(("attachments", 1, field), code)]


def test_missing_fields_of_an_attachment_are_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        send_with({}, "x")
    assert {issue.path for issue in caught.value.issues} == {
        *(("attachments", 0, name) for name in FILE),
        ("attachments", 1),
    }


def test_ten_megabytes_in_all_are_accepted_and_one_byte_more_is_not() -> None:
    assert len(send_with(file_of(4_000_000), file_of(6_000_000)).attachments) == 2
    with pytest.raises(InvalidRequest) as caught:
        send_with(file_of(4_000_000), file_of(6_000_001))
    assert [issue.path for issue in caught.value.issues] == [("attachments",)]
    assert "10 MB" in caught.value.message


def test_eleven_megabytes_inside_raw_content_are_named_there_at_once() -> None:
    content = {"subject": "", "html": "", "attachments": [file_of(11_000_000)]}
    body = {"channel": "email", "to": "a@b.example", "content": content}
    started = time.thread_time()
    with pytest.raises(InvalidRequest) as caught:
        parse_send(body, now=NOW)
    assert time.thread_time() - started < 1
    assert [issue.path for issue in caught.value.issues] == [("content", "attachments")]


def test_a_hundred_files_are_enough() -> None:
    assert len(send_with(*[FILE] * 100).attachments) == 100
    with pytest.raises(InvalidRequest, match="at most 100"):
        send_with(*[FILE] * 101)


def test_file_contents_stay_out_of_logs() -> None:
    assert "Hello" not in repr(send_with(FILE))
