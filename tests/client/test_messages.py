"""`sk.messages` and `sk.templates` on the real server, by both clients."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from senderkit.client import (
    AsyncSenderKit,
    SenderKit,
    SenderKitApiError,
    SenderKitAuthenticationError,
    SenderKitConflictError,
    SenderKitTimeoutError,
    SenderKitValidationError,
    SmsContent,
    TemplateSend,
    TemplateVariable,
)
from senderkit.client.answers import FINAL_STATUSES, PROGRESS
from senderkit.domain import PENDING, MessageStatus, Mode
from senderkit.keys import mint
from tests.client import scripted as play
from tests.client.conftest import Home
from tests.client.scripted import scripted

STRANGE_NAMES = ["", ".", ".."]


def send_some(sk: SenderKit, mark: str, count: int) -> list[str]:
    sends = [
        TemplateSend("welcome", f"user{n}@example.com", metadata={"mark": mark, "n": n})
        for n in range(count)
    ]
    results = sk.send_batch(sends, concurrency=1)
    return [item.result.id for item in results if item.result]


def test_pages_follow_one_another_newest_first(sk: SenderKit) -> None:
    sent = send_some(sk, "pages", 7)

    first = sk.messages.list(metadata={"mark": "pages"}, limit=3)
    second = sk.messages.list(metadata={"mark": "pages"}, limit=3, cursor=first.next_cursor)
    last = sk.messages.list(metadata={"mark": "pages"}, limit=3, cursor=second.next_cursor)

    pages = [*first.data, *second.data, *last.data]
    assert [message.public_id for message in pages] == sent[::-1]
    assert last.next_cursor is None


def test_filters_narrow_the_list(sk: SenderKit) -> None:
    (sms,) = (sk.send_raw("+15551234567", SmsContent("x"), metadata={"kind": "filter"}).id,)
    sk.messages.wait(sms, until="delivered")
    (email,) = send_some(sk, "filter", 1)

    def found(**filters: Any) -> set[str]:
        return {message.public_id for message in sk.messages.iter(**filters)} & {sms, email}

    assert found() == {sms, email}
    assert found(channel="sms") == {sms}
    assert found(template="WELCOME", metadata={"mark": "filter"}) == {email}
    assert found(metadata={"mark": "filter", "n": 0}) == {email}
    assert found(metadata={"mark": "filter", "n": 1}) == set()
    assert found(status="delivered", channel="sms") == {sms}
    assert found(search=email.upper()) == {email}


def test_iterating_with_asyncio_finds_the_same(home: Home, sk: SenderKit) -> None:
    sent = send_some(sk, "async pages", 5)

    async def main() -> list[list[str]]:
        async with AsyncSenderKit(home.test_key, base_url=home.url) as client:
            messages = client.messages
            return [
                [m.public_id async for m in walk(metadata={"mark": "async pages"}, limit=2)]
                for walk in (messages.iter, messages.aiter)
            ]

    assert asyncio.run(main()) == [sent[::-1], sent[::-1]]


def test_a_bad_filter_is_told(sk: SenderKit) -> None:
    for wrong in ({"status": "lost"}, {"cursor": "x"}, {"limit": 0}):
        with pytest.raises(SenderKitValidationError):
            sk.messages.list(**wrong)


def test_a_list_does_not_pretend_to_tail(sk: SenderKit) -> None:
    with pytest.raises(ValueError, match=r"messages\.tail\(\)"):
        sk.messages.list(tail="1")


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_a_name_that_is_none_never_becomes_another_address(name: str, sk: SenderKit) -> None:
    for ask in (sk.messages.get, sk.messages.cancel, sk.templates.get, sk.templates.versions):
        with pytest.raises(ValueError, match="no id and no slug"):
            ask(name)


@pytest.mark.parametrize("name", ["a/b", "../context", "a?b=c", "a#b", "ä", "a b", "%2e%2e"])
def test_a_strange_name_is_looked_up_as_it_is(name: str, sk: SenderKit) -> None:
    with pytest.raises(SenderKitApiError) as caught:
        sk.templates.get(name)

    assert caught.value.status == 404
    with (
        scripted(play.answer(404)) as server,
        SenderKit(mint(Mode.TEST).token, base_url=server.url) as client,
        pytest.raises(SenderKitApiError),
    ):
        client.messages.get(name)
    assert server.requests[0].path.count("/") == 3


def test_another_modes_message_is_not_found(home: Home, sk: SenderKit) -> None:
    (sent,) = send_some(sk, "mode", 1)

    not_found = pytest.raises(SenderKitApiError)
    with SenderKit(home.live_key, base_url=home.url) as live, not_found as caught:
        live.messages.get(sent)

    assert caught.value.code == "not_found"


def test_an_unknown_key_is_told_apart_from_one_without_the_scope(home: Home) -> None:
    refused = pytest.raises(SenderKitAuthenticationError)
    with SenderKit(mint(Mode.TEST).token, base_url=home.url) as sk, refused as caught:
        sk.context()

    assert (caught.value.status, caught.value.code) == (401, "unauthorized")


def test_a_canceled_message_stays_canceled(sk: SenderKit) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    sent = sk.send("welcome", "ada@example.com", scheduled_at=at)

    assert sk.messages.cancel(sent.id).status == "canceled"
    assert sk.messages.wait(sent.id, until="delivered").status == "canceled"
    with pytest.raises(SenderKitConflictError) as caught:
        sk.messages.cancel(sent.id)
    assert caught.value.code == "not_cancelable"


# -- waiting ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipient", "status"),
    [
        ("ada@example.com", "delivered"),
        ("failed@simulator.senderkit.test", "failed"),
        ("opted-out@simulator.senderkit.test", "opted_out"),
        ("suppressed@simulator.senderkit.test", "suppressed"),
    ],
)
def test_a_wait_ends_with_the_message(recipient: str, status: str, sk: SenderKit) -> None:
    sent = sk.send("welcome", recipient)

    message = sk.messages.wait(sent.id, until="delivered")

    assert message.status == status
    assert message.is_final


def test_a_wait_ends_in_time_and_says_how_far_the_message_is(home: Home, sk: SenderKit) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    sent = sk.send("welcome", "ada@example.com", scheduled_at=at)

    async def main() -> None:
        async with AsyncSenderKit(home.test_key, base_url=home.url) as client:
            await client.messages.wait(sent.id, timeout=0.2)

    with pytest.raises(SenderKitTimeoutError, match=r"still scheduled after 0\.2 seconds"):
        sk.messages.wait(sent.id, timeout=0.2)
    with pytest.raises(SenderKitTimeoutError, match="still scheduled"):
        asyncio.run(main())
    assert sk.messages.wait(sent.id, until="scheduled", timeout=0.2).status == "scheduled"
    sk.messages.cancel(sent.id)


def test_nobody_can_wait_for_a_status_that_is_not_on_the_way(sk: SenderKit) -> None:
    with pytest.raises(ValueError, match="until must be one of"):
        sk.messages.wait("msg_1", until="failed")


def test_the_statuses_are_the_servers() -> None:
    every = {status.value for status in MessageStatus}
    pending = {status.value for status in PENDING}

    assert set(PROGRESS) | FINAL_STATUSES == every
    assert every - pending - {"sent"} == FINAL_STATUSES


# -- templates ----------------------------------------------------------------------------------


def test_a_template_goes_from_draft_to_rendered(sk: SenderKit) -> None:
    declared = [TemplateVariable("code", "string", "Six digits", True, "123456")]
    created = sk.templates.create(
        "sign-in", SmsContent("{{code}}"), description="Codes", variables=declared
    )
    number = sk.templates.add_version(
        "sign-in", {"body": "Code: {{code}}"}, variables=[{"name": "code", "type": "number"}]
    )

    assert (created.status, created.channel, created.description) == ("draft", "sms", "Codes")
    assert number == 2
    assert sk.templates.version("sign-in", 1).variables == declared
    assert sk.templates.version("sign-in", 2).content == {"body": "Code: {{code}}"}
    rendered = sk.templates.render("sign-in", {"code": 7}, version=2)
    assert (rendered.output, rendered.missing) == ({"body": "Code: 7"}, [])
    assert sk.templates.describe("sign-in", None).description is None


def test_what_a_template_is_refused_for_is_told(sk: SenderKit) -> None:
    with pytest.raises(SenderKitConflictError) as taken:
        sk.templates.create("welcome", SmsContent("x"))
    with pytest.raises(SenderKitValidationError):
        sk.templates.create("broken", SmsContent("{{#open}}"))
    with pytest.raises(TypeError, match="channel="):
        sk.templates.create("unsaid", {"body": "x"})
    with pytest.raises(SenderKitApiError) as unpublished:
        sk.templates.render("login-code")
    with pytest.raises(SenderKitApiError) as unknown:
        sk.templates.version("welcome", 99)

    assert taken.value.code == "slug_taken"
    assert unpublished.value.code == "template_not_published"
    assert unknown.value.code == "version_not_found"


def test_templates_with_asyncio_are_the_same(home: Home) -> None:
    async def main() -> None:
        async with AsyncSenderKit(home.test_key, base_url=home.url) as sk:
            assert (await sk.context()).workspace.name == "Acme"
            created = await sk.templates.create("async-code", {"body": "{{code}}"}, channel="sms")
            assert await sk.templates.add_version("async-code", SmsContent("{{code}}!")) == 2
            assert [v.version_number for v in await sk.templates.versions("async-code")] == [2, 1]
            assert (await sk.templates.version("async-code", 2)).content == {"body": "{{code}}!"}
            assert (await sk.templates.render("async-code", {"code": 1}, version=1)).output == {
                "body": "1"
            }
            assert (await sk.templates.describe("async-code", "Codes")).description == "Codes"
            assert (await sk.templates.get("async-code")).slug == created.slug
            assert created.slug in [t.slug for t in await sk.templates.list()]
            sent = await sk.send_raw("+15551234567", SmsContent("x"))
            assert (await sk.messages.wait(sent.id, until="delivered")).status == "delivered"
            assert (await sk.messages.list(limit=1)).data
            at = datetime.now(UTC) + timedelta(hours=1)
            later = await sk.send("welcome", "ada@example.com", scheduled_at=at)
            assert (await sk.messages.cancel(later.id)).status == "canceled"

    asyncio.run(main())
