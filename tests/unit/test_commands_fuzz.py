"""Whatever comes in, a command or `InvalidRequest` comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senderkit.commands import (
    check_recipient,
    check_template_content,
    parse_add_version,
    parse_create_key,
    parse_create_template,
    parse_describe_endpoint,
    parse_describe_template,
    parse_idempotency_key,
    parse_list_messages,
    parse_raw_send,
    parse_render_template,
    parse_save_block,
    parse_save_theme,
    parse_send,
    parse_set_up,
)
from senderkit.domain import Channel
from senderkit.errors import InvalidRequest

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SURROGATES_TOO = st.text(st.characters(exclude_categories=()))
TEXT = SURROGATES_TOO | st.sampled_from(
    [
        *("email", "sms", "push", "web-push", "ada@example.com", "A <a@b.example>", "+15555550100"),
        *("2026-11-24T10:00:00Z", "SGk=", "text/plain", "a\r\nb", '{"endpoint":"https://x"}', "<>"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        *("template", "to", "version", "channel", "vars", "locale", "metadata", "scheduledAt"),
        *("from", "fromName", "cc", "bcc", "replyTo", "attachments", "content", "interpolate"),
        *("subject", "html", "mjml", "text", "preheader", "body", "title", "data", "badge", "icon"),
        *("filename", "contentType", "inline", "contentId", "clickUrl", "sound", "slug", "name"),
        *("description", "variables", "type", "required", "example"),
    ]
)
LIKELY = st.recursive(
    VALUES,
    lambda inner: st.dictionaries(NAMES, inner, max_size=8) | st.lists(inner, max_size=3),
    max_leaves=20,
)
BODIES = st.dictionaries(NAMES | TEXT, LIKELY, max_size=10)


def command_or_refusal(parse: Callable[[], object]) -> None:
    try:
        assert parse() is not None
    except InvalidRequest as error:
        check_answerable(error)


def check_answerable(error: InvalidRequest) -> None:
    assert error.message
    assert all(issue.code and issue.message for issue in error.issues)
    told = [(issue.code, issue.path, issue.message) for issue in error.issues]
    json.dumps([error.message, told], ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "parse",
    [
        lambda body: parse_send(body, now=NOW),
        lambda body: parse_raw_send(body, now=NOW),
        *(parse_create_template, parse_add_version, parse_describe_template, parse_render_template),
    ],
    ids=["send", "send-raw", "create", "version", "describe", "render"],
)
@settings(max_examples=40, deadline=None)
@given(body=BODIES)
def test_any_body_is_a_command_or_refused(
    parse: Callable[[dict[str, Any]], object], body: dict[str, Any]
) -> None:
    command_or_refusal(lambda: parse(body))


@settings(max_examples=40, deadline=None)
@given(channel=st.sampled_from(Channel), content=st.dictionaries(NAMES, LIKELY, max_size=8))
def test_any_template_content_is_stored_or_refused(
    channel: Channel, content: dict[str, Any]
) -> None:
    command_or_refusal(lambda: check_template_content(channel, content))


@settings(max_examples=300, deadline=None)
@given(
    channel=st.sampled_from(Channel),
    to=SURROGATES_TOO | st.text('a@b.<>" +1-:/[]{},\n', max_size=30),
)
def test_any_recipient_is_read_or_refused(channel: Channel, to: str) -> None:
    command_or_refusal(lambda: check_recipient(channel, to))


@settings(deadline=None)
@given(st.text("0123456789-:.TZ+ ", max_size=32))
def test_any_moment_is_read_or_refused(text: str) -> None:
    body = {"template": "x", "to": "a@b.example", "scheduledAt": text}
    command_or_refusal(lambda: parse_send(body, now=NOW))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            SURROGATES_TOO
            | st.sampled_from(["limit", "status", "search"])
            | SURROGATES_TOO.map("metadata[{}]".format),
            SURROGATES_TOO | st.text("0123456789.eE-+", max_size=400),
        )
    )
)
def test_any_query_is_a_command_or_refused(query: list[tuple[str, str]]) -> None:
    command_or_refusal(lambda: parse_list_messages(query))


@settings(deadline=None)
@given(SURROGATES_TOO, SURROGATES_TOO, st.lists(SURROGATES_TOO))
def test_any_form_is_a_command_or_refused(first: str, second: str, rest: list[str]) -> None:
    command_or_refusal(lambda: parse_create_key(first, second, rest))
    command_or_refusal(lambda: parse_set_up(workspace=first, email=second, password=first * 3))
    command_or_refusal(lambda: parse_idempotency_key(first) or "absent")
    command_or_refusal(lambda: parse_describe_endpoint(first, rest))
    command_or_refusal(lambda: parse_save_block(name=first, content=second, note=first))
    command_or_refusal(lambda: parse_save_theme({"name": first, "font": second, "text": first}))
