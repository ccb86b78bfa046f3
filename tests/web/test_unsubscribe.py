"""The link in every mail: looking changes nothing, the button and the mail program opt out."""

from __future__ import annotations

from typing import Final

import pytest

from senderkit.services.suppressions import find_unsubscribable
from senderkit.web.dashboard.unsubscribe import masked
from tests.make import WORKSPACE, House
from tests.web.routes import stored

ONE_CLICK: Final = {"List-Unsubscribe": "One-Click"}


def link_of(house: House, message_id: str) -> str:
    return f"/unsubscribe/{house.runtime.unsubscribe_signer.sign(message_id)}"


def opted_out(house: House) -> list[str]:
    return [row[0] for row in house.rows("SELECT recipient_key FROM suppressions")]


def test_looking_at_the_link_changes_nothing(live_house: House) -> None:
    message_id = live_house.api("live").send(to="Ada <ada@example.com>")
    before = stored(live_house)
    for browser in (live_house.pages(), live_house.owner()):
        for method in ("GET", "HEAD"):
            answer = browser.client.open(link_of(live_house, message_id), method=method)
            assert answer.status_code == 200
    before["member_sessions"] = stored(live_house)["member_sessions"]
    assert stored(live_house) == before


def test_the_page_names_the_sender_and_masks_the_recipient(live_house: House) -> None:
    link = link_of(live_house, live_house.api("live").send(to="ada.lovelace@example.com"))
    for text in (
        live_house.pages().get(link).text,
        live_house.pages().client.post(link, data=ONE_CLICK).text,
    ):
        assert WORKSPACE in text
        assert "a…@example.com" in text
        assert "lovelace" not in text
        assert 'name="csrf_token"' not in text


@pytest.mark.parametrize(
    "form",
    [
        {"data": ONE_CLICK},
        {"data": "List-Unsubscribe=One-Click", "content_type": "text/plain"},
        {"data": ONE_CLICK, "content_type": "multipart/form-data"},
        {"data": ""},
        {"data": ONE_CLICK, "headers": {"Origin": "https://mail.example"}},
        {"data": ONE_CLICK, "headers": {"Sec-Fetch-Site": "cross-site"}},
    ],
    ids=["form", "text", "multipart", "nothing", "foreign", "cross-site"],
)
def test_one_click_opts_out_without_login_or_token(
    live_house: House, form: dict[str, object]
) -> None:
    api = live_house.api("live")
    message_id = api.send(to="Ada@Example.com")
    stranger = live_house.app.test_client(use_cookies=False)
    answer = stranger.open(link_of(live_house, message_id), method="POST", **form)  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers.get("Set-Cookie")) == (200, None)
    assert "You are unsubscribed" in answer.text
    assert opted_out(live_house) == ["ada@example.com"]
    again = api.send(to="ada@example.com")
    live_house.clock.advance(seconds=1)
    live_house.deliver()
    assert api.message(again)["status"] == "opted_out"


def test_the_button_of_the_page_does_the_same(live_house: House) -> None:
    link = link_of(live_house, live_house.api("live").send(to="ada@example.com"))
    page = live_house.pages().get(link).text
    assert f'action="{link}"' in page
    assert 'name="List-Unsubscribe" value="One-Click"' in page


def test_a_second_click_changes_nothing_more(live_house: House) -> None:
    link = link_of(live_house, live_house.api("live").send())
    pages = live_house.pages()
    pages.client.post(link, data=ONE_CLICK)
    before = stored(live_house)
    assert pages.client.post(link, data=ONE_CLICK).status_code == 200
    assert stored(live_house) == before


def test_a_link_that_we_did_not_sign_is_nowhere(live_house: House) -> None:
    message_id = live_house.api("live").send()
    signed = link_of(live_house, message_id)
    key_form = live_house.runtime.key_form_signer.sign(message_id)
    unknown = link_of(live_house, "msg_00000000000000000000000000")
    pages = live_house.pages()
    for link in (signed[:-1], f"{signed}x", f"/unsubscribe/{message_id}", unknown):
        assert pages.get(link).status_code == 404
        assert pages.client.post(link, data=ONE_CLICK).status_code == 404
    assert pages.get(f"/unsubscribe/{key_form}").status_code == 404
    assert opted_out(live_house) == []


def test_only_an_email_can_be_unsubscribed_from(house: House) -> None:
    body = {"channel": "sms", "to": "+15005550006", "content": {"body": "Code 1234"}}
    message_id = house.api().send(**body)
    assert find_unsubscribable(house.runtime.reader, message_id) is None
    assert house.pages().client.post(link_of(house, message_id)).status_code == 404


def test_a_test_message_opts_nobody_out(house: House) -> None:
    link = link_of(house, house.api("test").send())
    assert house.pages().client.post(link, data=ONE_CLICK).status_code == 200
    assert opted_out(house) == []


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ada@example.com", "a…@example.com"),
        ("a@example.com", "a…@example.com"),
        ('"a@b"@example.com', '"…@example.com'),
        ("ёлка@пример.рф", "ё…@пример.рф"),
    ],
)
def test_an_address_is_masked(address: str, shown: str) -> None:
    assert masked(address) == shown
