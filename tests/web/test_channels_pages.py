"""The pages of Channels: the list, its order, adding, editing, trying out and removing."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from werkzeug.test import TestResponse

from senderkit.commands import Place
from senderkit.domain import Channel, Clock
from senderkit.http_client import HttpClient
from senderkit.providers.base import Adapter, Field, FieldType
from senderkit.providers.vapid import new_vapid_keys, public_key_of
from senderkit.services.connections import ENVIRONMENT_ID
from tests.conftest import MakeApp, RegisterProvider
from tests.fakes import FakeSmtp
from tests.make import (
    CSRF_FIELD,
    OWNER,
    SMTP_CREDENTIALS,
    FakeClock,
    House,
    Pages,
    store_connection,
)
from tests.make import PASSWORD as OWNERS_PASSWORD
from tests.outbox.conftest import FakeProvider
from tests.web.reading import Form, read

PASSWORD: Final = SMTP_CREDENTIALS["password"]
TOKEN: Final = "a-server-token-of-postmark-7c1e"


class EveryField(FakeProvider):
    """A provider with a field of every type, secret and not."""

    name = "every"
    label = "Every"
    channel = Channel.PUSH
    fields = (
        Field("account", "Account", "Your id.", is_required=True),
        Field("count", "Count", "A number.", type=FieldType.NUMBER, default="5", maximum=10),
        Field("region", "Region", "Where.", type=FieldType.CHOICE, choices=("eu", "us")),
        Field("base_url", "API address", "Leave it.", FieldType.URL, default="https://a.example"),
        Field("key", "Key file", "The .p8 file.", FieldType.FILE, is_secret=True, is_required=True),
        Field("chain", "Chain", "Certificates.", type=FieldType.FILE),
        Field("token", "Token", "A token.", is_secret=True),
    )

    def __init__(self) -> None:
        super().__init__()
        self.connected: list[Mapping[str, str]] = []

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        self.connected.append(values)
        return super().make_adapter(values, clock, http)


@pytest.fixture
def smtp() -> Iterator[FakeSmtp]:
    with FakeSmtp(login=("mailer", PASSWORD)) as smtp:
        yield smtp


@pytest.fixture
def every(register: RegisterProvider) -> EveryField:
    provider = EveryField()
    register(provider)
    return provider


def at(smtp: FakeSmtp) -> dict[str, str]:
    """Credentials that the fake mail server takes."""
    return SMTP_CREDENTIALS | {"port": str(smtp.port)}


def postmark(house: House, **more: Any) -> str:
    credentials = {"server_token": TOKEN, "from": "hello@acme.example"}
    return store_connection(house, "postmark", credentials, **({"name": "Postmark"} | more))


def fields(**values: str) -> dict[str, str]:
    return {f"field-{name}": value for name, value in values.items()}


def add(pages: Pages, provider: str, form: Mapping[str, Any], **more: Any) -> TestResponse:
    usual = {"name": "Mail server", "place": "first"}
    return pages.submit(f"/channels/new/{provider}", usual | dict(form), **more)


def form_of(pages: Pages, path: str, action: str | None = None) -> Form:
    return read(pages.get(path).text).form(action or path)


def order(house: House) -> list[tuple[str, int | None]]:
    rows = house.rows("SELECT name, position FROM connections ORDER BY position IS NULL, position")
    return [(row[0], row[1]) for row in rows]


def opened(house: House, connection_id: str) -> dict[str, str]:
    sql = "SELECT sealed_fields FROM connections WHERE uuid = :id"
    [(sealed,)] = house.rows(sql, id=connection_id)
    return house.runtime.vault.unseal(bytes(sealed))


# -- the list ---------------------------------------------------------------------------------


def test_every_empty_channel_leads_to_adding(house: House) -> None:
    page = read(house.owner().get("/channels").text)
    for words in ("live email", "live SMS", "live push", "live web push"):
        assert f"Nothing is connected: {words} messages are refused." in page.text
    assert page.links["Connect a provider"].startswith("/channels/new#")
    assert page.links["Add connection"] == "/channels/new"


def test_the_list_tells_order_state_and_who_names_it(house: House) -> None:
    first = store_connection(house, name="First")
    store_connection(house, name="Backup", place=Place.LAST)
    spare = store_connection(house, name="Spare", place=Place.NAMED)
    house.template("receipt")
    house.write(
        "UPDATE templates SET connection_id = (SELECT id FROM connections WHERE uuid = :id)",
        id=spare,
    )
    house.write(
        "UPDATE connections SET broken_reason = 'The login was refused.' WHERE uuid = :id", id=first
    )
    text = read(house.owner().get("/channels").text).text
    assert "1 First Broken SMTP · Tried first The login was refused. Try again" in text
    assert "2 Backup Working SMTP · Tried when the one above cannot be used" in text
    assert "Only by name SMTP · Used only by templates that name it · named by receipt" in text


def test_held_messages_are_counted_and_released(house: House, smtp: FakeSmtp) -> None:
    store_connection(house, credentials=at(smtp))
    smtp.login = ("mailer", "another")
    api = house.api("live")
    message_id = api.send()
    house.deliver()
    owner = house.owner()
    assert "1 message held Release" in read(owner.get("/channels").text).text

    smtp.login = ("mailer", PASSWORD)
    actions = [form.action for form in read(owner.get("/channels").text).forms]
    action = next(each for each in actions if re.fullmatch("/channels/.+/release", each))
    answer = owner.submit("/channels", {}, action=action, follow_redirects=True)
    assert "1 held message is being tried again." in answer.text
    house.deliver()
    assert api.message(message_id)["status"] == "sent"


def test_the_environments_connection_is_shown_and_can_be_tried_only(
    make_app: MakeApp, clock: FakeClock, smtp: FakeSmtp
) -> None:
    url = f"smtp://mailer:{PASSWORD}@127.0.0.1:{smtp.port}"
    house = House(make_app(SMTP_URL=url, MAIL_FROM="Acme <hello@acme.example>"), clock)
    house.set_up()
    owner = house.owner()
    assert "1 Environment Working SMTP" in read(owner.get("/channels").text).text
    path = f"/channels/{ENVIRONMENT_ID}"
    page = owner.get(path)
    assert "SENDERKIT_SMTP_URL" in page.text
    assert PASSWORD not in page.text
    assert {form.action for form in read(page.text).forms if form.action.startswith(path)} == {
        f"{path}/check",
        f"{path}/send-test",
    }
    assert "It works" in owner.submit(path, {}, action=f"{path}/check").text
    for action in ("", "/place", "/remove"):
        form = {"move": "into"}
        assert owner.submit(path, form, action=path + action).status_code == 404


# -- adding -----------------------------------------------------------------------------------


def test_every_provider_can_be_chosen_and_has_a_form(house: House) -> None:
    owner = house.owner()
    links = read(owner.get("/channels/new").text).links
    assert links["SMTP"] == "/channels/new/smtp"
    for path in (link for link in links.values() if link.startswith("/channels/new/")):
        assert owner.get(path).status_code == 200
    assert owner.get("/channels/new/pigeon").status_code == 404
    assert owner.submit("/channels", {}, action="/channels/new/pigeon").status_code == 404


def test_a_connection_is_added_with_its_credentials_sealed(house: House) -> None:
    owner = house.owner()
    form = fields(**SMTP_CREDENTIALS, verify="yes")
    answer = add(owner, "smtp", form, follow_redirects=True)
    assert answer.status_code == 200
    assert "“Mail server” is added." in answer.text
    assert PASSWORD not in answer.text
    [(connection_id, sealed)] = house.rows("SELECT uuid, sealed_fields FROM connections")
    assert opened(house, connection_id) == SMTP_CREDENTIALS | {"verify": "yes"}
    assert PASSWORD.encode() not in bytes(sealed)
    assert order(house) == [("Mail server", 1)]


def test_everything_wrong_is_told_by_its_field_and_secrets_are_not_repeated(house: House) -> None:
    form = {"name": " ", "place": "last"} | fields(
        host="not a host", port="0", security="maybe", password=PASSWORD, **{"from": ""}
    )
    answer = add(house.owner(), "smtp", form)
    assert answer.status_code == 422
    for name in ("name", "field-port", "field-security", "field-from"):
        assert f'href="#f-{name}"' in answer.text, name
        assert f'id="f-{name}-error"' in answer.text, name
    assert PASSWORD not in answer.text
    assert 'value="not a host"' in answer.text
    assert "Secrets are not shown again: enter them once more." in answer.text
    assert order(house) == []


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("first", [("New", 1), ("Old", 2)]),
        ("last", [("Old", 1), ("New", 2)]),
        ("named", [("Old", 1), ("New", None)]),
    ],
)
def test_a_new_connection_takes_the_place_it_was_given(
    house: House, place: str, expected: list[tuple[str, int | None]]
) -> None:
    store_connection(house, name="Old")
    form = {"name": "New", "place": place} | fields(**SMTP_CREDENTIALS)
    assert add(house.owner(), "smtp", form).status_code == 302
    assert order(house) == expected


def test_a_place_from_elsewhere_is_told(house: House) -> None:
    answer = add(house.owner(), "smtp", {"place": "third"} | fields(**SMTP_CREDENTIALS))
    assert (answer.status_code, 'id="f-place-error"' in answer.text) == (422, True)


def test_adding_tries_what_the_channel_held(house: House, smtp: FakeSmtp) -> None:
    first = store_connection(house)
    api = house.api("live")
    message_id = api.send()
    house.write("UPDATE connections SET broken_reason = 'wrong' WHERE uuid = :id", id=first)
    house.deliver()
    form = {"place": "first"} | fields(**at(smtp))
    answer = add(house.owner(), "smtp", form, follow_redirects=True)
    assert "1 held message is being tried again." in answer.text
    house.deliver()
    assert api.message(message_id)["status"] == "sent"


# -- every type of field ----------------------------------------------------------------------


def test_the_form_has_an_input_for_every_type(house: House, every: EveryField) -> None:
    page = house.owner().get("/channels/new/every").text
    assert re.search(r'<input[^>]*id="f-field-account"[^>]*type="text"[^>]* required', page)
    assert re.search(r'<input[^>]*id="f-field-count"[^>]*value="5"[^>]*inputmode="numeric"', page)
    assert re.search(r'<select[^>]*id="f-field-region"', page)
    assert re.search(r'<input[^>]*id="f-field-base_url"[^>]*type="url"', page)
    assert re.search(r'<textarea[^>]*id="f-field-key"', page)
    assert re.search(r'<input[^>]*type="file"[^>]*name="field-key-file"', page)
    assert re.search(r'<input[^>]*id="f-field-token"[^>]*type="password"', page)


def test_key_files_are_pasted_or_chosen(house: House, every: EveryField) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\r\nabc\r\n-----END PRIVATE KEY-----\r\n"
    form = fields(account="a", key=pem, chain="ignored", region="eu")
    chosen = (io.BytesIO("\ufeffone\ntwo\n".encode()), "chain.pem")
    answer = add(house.owner(), "every", form | {"field-chain-file": chosen})
    assert answer.status_code == 302
    [(connection_id,)] = house.rows("SELECT uuid FROM connections")
    found = opened(house, connection_id)
    assert found["key"] == pem.replace("\r\n", "\n")
    assert found["chain"] == "one\ntwo"
    assert (found["count"], found["region"], found["token"]) == ("5", "eu", "")


def test_no_stored_secret_is_in_the_page(house: House, every: EveryField) -> None:
    secrets = {"key": "-----BEGIN KEY-----\nsecret-line\n", "token": "a-token-that-is-secret"}
    stored = {"account": "shown", "chain": "public-line"} | secrets
    connection_id = store_connection(house, "every", stored)
    owner = house.owner()
    path = f"/channels/{connection_id}"
    form = form_of(owner, path).values
    refused = owner.client.post(path, data=form | {"field-account": ""})
    for page in (owner.get(path), refused, owner.submit(path, {}, action=f"{path}/check")):
        assert "public-line" in page.text
        assert "secret-line" not in page.text
        assert "that-is-secret" not in page.text
    assert owner.client.post(path, data=form).status_code == 302
    assert opened(house, connection_id)["key"] == secrets["key"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("field-key-file", b"\xff\xfe\x00", "This file is no text"),
        ("field-key-file", b" \n", "This file is empty"),
        ("field-key", "k" * 70_000, "Must have at most 65536 characters"),
        ("field-key", "a\0b", "without control characters"),
        ("field-count", "11", "a whole number from 1 to 10"),
        ("field-region", "mars", "must be one of: eu, us"),
        ("field-base_url", "ftp://x", "must be a web address"),
        ("field-account", "", "Account is required."),
    ],
)
def test_a_bad_value_is_told_at_its_field(
    house: House, every: EveryField, name: str, value: Any, words: str
) -> None:
    given = (io.BytesIO(value), "key.p8") if isinstance(value, bytes) else value
    form = fields(account="a", key="k") | {name: given}
    answer = add(house.owner(), "every", form)
    assert answer.status_code == 422
    where = name.removesuffix("-file")
    error = re.search(rf'id="f-{where}-error">(.*?)</p>', answer.text, re.DOTALL)
    assert error
    assert words in read(error[1]).text
    assert order(house) == []


# -- editing ----------------------------------------------------------------------------------


def test_an_untouched_form_keeps_everything(house: House) -> None:
    connection_id = store_connection(house)
    before = house.rows("SELECT * FROM connections")
    owner = house.owner()
    path = f"/channels/{connection_id}"
    form = form_of(owner, path)
    assert form.values["field-password"] == ""
    answer = owner.client.post(path, data=form.values, follow_redirects=True)
    assert "“Mail server” is saved." in answer.text
    assert house.rows("SELECT * FROM connections") == before


def test_at_most_the_last_four_of_a_secret_are_shown(house: House) -> None:
    connection_id = postmark(house)
    owner = house.owner()
    text = owner.get(f"/channels/{connection_id}").text
    assert f"Stored, ends in {TOKEN[-4:]}." in text
    assert TOKEN[-5:] not in text
    short = store_connection(house, credentials=SMTP_CREDENTIALS | {"password": "fifteen-charact"})
    text = owner.get(f"/channels/{short}").text
    assert "Belongs to the user name. Stored." in text
    assert "ract" not in text.replace("characters", "")


def test_new_credentials_repair_a_connection_and_release_messages(
    house: House, smtp: FakeSmtp
) -> None:
    connection_id = store_connection(house, credentials=at(smtp) | {"password": "wrong"})
    api = house.api("live")
    message_id = api.send()
    house.deliver()
    owner = house.owner()
    path = f"/channels/{connection_id}"
    assert "This connection is broken" in owner.get(path).text

    form = form_of(owner, path).values | {"field-password": PASSWORD}
    answer = owner.client.post(path, data=form, follow_redirects=True)
    assert "1 held message is being tried again." in answer.text
    assert "This connection is broken" not in answer.text
    house.deliver()
    assert api.message(message_id)["status"] == "sent"


def test_a_bad_edit_is_told_and_changes_nothing(house: House) -> None:
    connection_id = store_connection(house)
    before = house.rows("SELECT * FROM connections")
    owner = house.owner()
    path = f"/channels/{connection_id}"
    form = form_of(owner, path).values | {"name": "", "field-host": "", "field-password": "typed!"}
    answer = owner.client.post(path, data=form)
    assert answer.status_code == 422
    assert 'id="f-name-error"' in answer.text
    assert 'id="f-field-host-error"' in answer.text
    assert "typed!" not in answer.text
    assert house.rows("SELECT * FROM connections") == before


def test_an_optional_secret_can_be_taken_away(house: House) -> None:
    connection_id = store_connection(house)
    owner = house.owner()
    path = f"/channels/{connection_id}"
    form = form_of(owner, path).values
    assert "field-password-clear" not in form
    form |= {"field-username": "", "field-password-clear": "yes"}
    assert owner.client.post(path, data=form).status_code == 302
    assert (opened(house, connection_id)["username"], opened(house, connection_id)["password"]) == (
        "",
        "",
    )


def test_credentials_that_do_not_open_can_be_entered_again(house: House) -> None:
    connection_id = store_connection(house)
    house.write("UPDATE connections SET sealed_fields = :junk", junk=b"gAAAAA-not-a-token")
    owner = house.owner()
    path = f"/channels/{connection_id}"
    assert "The stored credentials do not open" in owner.get(path).text
    form = form_of(owner, path).values | fields(**SMTP_CREDENTIALS)
    assert owner.client.post(path, data=form).status_code == 302
    assert opened(house, connection_id)["password"] == PASSWORD


def test_a_provider_that_this_release_does_not_have_can_be_removed(house: House) -> None:
    connection_id = store_connection(house)
    house.write("UPDATE connections SET provider = 'pigeon'")
    owner = house.owner()
    path = f"/channels/{connection_id}"
    assert "This release has no provider “pigeon”" in owner.get(path).text
    assert owner.submit(path, {}, action=path).status_code == 404
    assert "no provider &#39;pigeon&#39;" in owner.submit(path, {}, action=f"{path}/check").text
    assert owner.submit(path, {}, action=f"{path}/remove").status_code == 302


# -- order ------------------------------------------------------------------------------------


def test_connections_move_up_down_out_and_in(house: House) -> None:
    ids = {name: store_connection(house, name=name, place=Place.LAST) for name in "ABC"}
    owner = house.owner()

    def move(name: str, how: str) -> list[str]:
        path = f"/channels/{ids[name]}/place"
        answer = owner.submit("/channels", {"move": how}, action=path)
        assert answer.status_code == 302
        return [f"{each}{position or ''}" for each, position in order(house)]

    assert move("C", "up") == ["A1", "C2", "B3"]
    assert move("A", "down") == ["C1", "A2", "B3"]
    assert move("C", "up") == ["C1", "A2", "B3"]
    assert move("B", "down") == ["C1", "A2", "B3"]
    assert move("A", "out") == ["C1", "B2", "A"]
    assert move("A", "up") == ["C1", "B2", "A"]
    assert move("A", "into") == ["C1", "B2", "A3"]
    assert move("C", "sideways") == ["C1", "B2", "A3"]


def test_a_connection_that_comes_into_the_list_takes_what_is_held(
    house: House, smtp: FakeSmtp
) -> None:
    store_connection(house)
    house.write("UPDATE connections SET broken_reason = 'wrong'")
    api = house.api("live")
    api.send()
    house.deliver()
    spare = store_connection(house, credentials=at(smtp), name="Spare", place=Place.NAMED)
    owner = house.owner()
    answer = owner.submit(
        "/channels", {"move": "into"}, action=f"/channels/{spare}/place", follow_redirects=True
    )
    assert "1 held message is being tried again." in answer.text


# -- trying out -------------------------------------------------------------------------------


def test_a_test_says_that_it_works(house: House, smtp: FakeSmtp) -> None:
    connection_id = store_connection(house, credentials=at(smtp))
    path = f"/channels/{connection_id}"
    text = read(house.owner().submit(path, {}, action=f"{path}/check").text).text
    assert "It works The provider accepts these credentials and settings." in text
    assert smtp.messages == []


def test_a_test_says_why_it_does_not(house: House, smtp: FakeSmtp) -> None:
    connection_id = store_connection(house, credentials=at(smtp) | {"password": "wrong-password"})
    path = f"/channels/{connection_id}"
    answer = house.owner().submit(path, {}, action=f"{path}/check")
    assert "It does not work The login was refused by the mail server" in read(answer.text).text
    assert "wrong-password" not in answer.text
    assert house.rows("SELECT broken_reason FROM connections") == [(None,)]


def test_where_nobody_can_be_asked_nothing_is_claimed(house: House) -> None:
    credentials = {
        "private_key": new_vapid_keys().private_key,
        "subject": "mailto:ops@acme.example",
    }
    path = f"/channels/{store_connection(house, 'web_push', credentials)}"
    text = read(house.owner().submit(path, {}, action=f"{path}/check").text).text
    assert "Nothing is wrong with it" in text
    assert "Looks whether what is stored can be right." in text
    assert "accepts" not in text


def test_test_mode_does_not_promise_that_a_connection_sends_nothing(house: House) -> None:
    owner = house.owner()
    assert "nothing leaves this server" in owner.get("/").text
    page = owner.get(f"/channels/{store_connection(house)}").text
    assert "nothing leaves this server" not in page
    assert "Connections are for live messages, whatever mode is shown." in page


def test_nobody_there_is_told(house: House) -> None:
    connection_id = store_connection(house)
    path = f"/channels/{connection_id}"
    answer = house.owner().submit(path, {}, action=f"{path}/check")
    assert "It does not work" in answer.text
    assert PASSWORD not in answer.text


def test_a_small_message_is_sent_to_oneself(house: House, smtp: FakeSmtp) -> None:
    connection_id = store_connection(house, credentials=at(smtp), name="Mail <b>&</b>")
    owner = house.owner()
    path = f"/channels/{connection_id}"
    form = form_of(owner, path, f"{path}/send-test")
    assert form.values["to"] == OWNER
    answer = owner.client.post(form.action, data=form.values)
    assert f"The test is sent to {OWNER} SMTP took it" in read(answer.text).text
    [received] = smtp.messages
    assert received.recipients == (OWNER,)
    assert received.parsed["Subject"] == "Test of “Mail <b>&</b>”"
    assert "<b>" not in received.body("html")
    assert house.rows("SELECT 1 FROM messages") == []


def test_a_bad_address_is_told_at_its_field(house: House) -> None:
    connection_id = store_connection(house)
    path = f"/channels/{connection_id}"
    answer = house.owner().submit(path, {"to": "nobody"}, action=f"{path}/send-test")
    assert answer.status_code == 422
    assert 'id="f-to-error"' in answer.text
    assert 'value="nobody"' in answer.text


def test_a_refused_test_says_so(house: House, smtp: FakeSmtp) -> None:
    smtp.answer("RCPT", "550 5.1.1 <b>No such user</b>")
    connection_id = store_connection(house, credentials=at(smtp))
    path = f"/channels/{connection_id}"
    answer = house.owner().submit(path, {"to": "ada@example.com"}, action=f"{path}/send-test")
    assert "It does not work" in answer.text
    assert "&lt;b&gt;No such user" in answer.text


def test_a_message_of_every_channel_can_be_tried(house: House, register: RegisterProvider) -> None:
    to = {
        Channel.EMAIL: "ada@example.com",
        Channel.SMS: "+15555550100",
        Channel.PUSH: "ExponentPushToken[abc]",
    }
    owner = house.owner()
    for channel, recipient in to.items():
        kind: FakeProvider = type(
            "Of", (FakeProvider,), {"name": f"of-{channel}", "channel": channel}
        )()
        register(kind)
        path = f"/channels/{store_connection(house, kind.name, {}, name='Account')}"
        answer = owner.submit(path, {"to": recipient}, action=f"{path}/send-test")
        assert f"The test is sent to {recipient}" in read(answer.text).text
        [outgoing] = kind.seen
        assert (outgoing.channel, outgoing.recipient) == (channel, recipient)


# -- what providers report --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("public_url", "warning"),
    [
        ("https://notify.acme.example", None),
        ("http://notify.acme.example", "This address is plain http"),
        ("http://127.0.0.1:8025", "This address is on this very machine"),
        ("https://localhost", "This address is on this very machine"),
    ],
)
def test_the_callback_address_is_shown_and_warned_of(
    make_app: MakeApp, clock: FakeClock, public_url: str, warning: str | None
) -> None:
    house = House(make_app(PUBLIC_URL=public_url), clock)
    house.set_up()
    connection_id = postmark(house)
    base = {"base_url": public_url}
    pages = house.pages()
    token = CSRF_FIELD.search(pages.get("/login", **base).text)
    assert token
    login = {"csrf_token": token[1], "email": OWNER, "password": OWNERS_PASSWORD}
    assert pages.client.post("/login", data=login, **base).status_code == 302
    page = pages.get(f"/channels/{connection_id}", **base).text
    assert f"{public_url}/hooks/postmark/{connection_id}" in page
    assert "In Postmark, open your server" in page
    for words in ("This address is plain http", "This address is on this very machine"):
        assert (words in page) == (words == warning)


def test_a_provider_that_reports_nothing_says_so_and_shows_no_address(house: House) -> None:
    page = house.owner().get(f"/channels/{store_connection(house)}").text
    assert "/hooks/" not in page
    assert "A mail server reports nothing back" in page


def test_a_provider_that_is_asked_says_so(house: House) -> None:
    page = house.owner().get(f"/channels/{store_connection(house, 'expo', {})}").text
    assert "/hooks/" not in page
    assert "There is nothing to set up: Expo is asked" in page


# -- key pairs for web push -------------------------------------------------------------------


def test_a_key_pair_is_made_and_only_its_public_half_is_shown(house: House) -> None:
    owner = house.owner()
    form = {"make": "secrets"} | fields(subject="mailto:ops@acme.example", private_key="")
    answer = add(owner, "web_push", form, follow_redirects=True)
    assert "“Mail server” is added." in answer.text
    [(connection_id,)] = house.rows("SELECT uuid FROM connections")
    private_key = opened(house, connection_id)["private_key"]
    page = owner.get(f"/channels/{connection_id}").text
    assert f">{public_key_of(private_key)}<" in page
    assert private_key not in answer.text + page


def test_without_the_button_a_key_is_required_and_with_a_key_none_is_made(house: House) -> None:
    owner = house.owner()
    assert "Make a key pair and add" in owner.get("/channels/new/web_push").text
    assert "Make a key pair" not in owner.get("/channels/new/smtp").text
    form = fields(subject="mailto:ops@acme.example")
    assert "VAPID private key is required." in add(owner, "web_push", form).text
    own = new_vapid_keys().private_key
    typed = form | fields(private_key=own) | {"make": "secrets"}
    assert add(owner, "web_push", typed).status_code == 302
    [(connection_id,)] = house.rows("SELECT uuid FROM connections")
    assert opened(house, connection_id)["private_key"] == own


def test_a_pair_is_not_made_for_a_form_that_is_not_complete(house: House) -> None:
    answer = add(house.owner(), "web_push", {"make": "secrets"} | fields(subject="somebody"))
    assert answer.status_code == 422
    assert 'id="f-field-subject-error"' in answer.text
    assert 'id="f-field-private_key-error"' not in answer.text
    assert order(house) == []


# -- removing ---------------------------------------------------------------------------------


def test_the_confirmation_says_what_becomes_of_messages(house: House) -> None:
    first = store_connection(house, name="First")
    owner = house.owner()
    text = read(owner.get(f"/channels/{first}/remove").text).text
    assert "No other connection delivers Email by default." in text
    assert "Nothing is lost." in text
    store_connection(house, name="Second", place=Place.LAST)
    text = read(owner.get(f"/channels/{first}/remove").text).text
    assert "Messages that wait for it (queued or scheduled) go through “Second”." in text


def test_a_removed_connection_is_gone_and_its_messages_go_on(house: House, smtp: FakeSmtp) -> None:
    first = store_connection(house, name="First")
    house.write("UPDATE connections SET broken_reason = 'wrong'")
    house.template("receipt")
    house.write("UPDATE templates SET connection_id = (SELECT id FROM connections)")
    api = house.api("live")
    message_id = api.send()
    house.deliver()
    store_connection(house, credentials=at(smtp), name="Second", place=Place.LAST)
    owner = house.owner()
    path = f"/channels/{first}/remove"
    answer = owner.submit(path, {}, follow_redirects=True)
    assert "“First” is removed." in answer.text
    house.deliver()
    assert api.message(message_id)["status"] == "sent"
    assert order(house) == [("Second", 1)]
    assert house.rows("SELECT connection_id FROM templates") == [(None,)]
    assert owner.get(f"/channels/{first}").status_code == 404


def test_what_nobody_can_deliver_after_a_removal_is_held(house: House) -> None:
    connection_id = store_connection(house)
    house.write("UPDATE connections SET broken_reason = 'wrong'")
    api = house.api("live")
    api.send()
    house.deliver()
    owner = house.owner()
    owner.submit(f"/channels/{connection_id}/remove", {})
    house.deliver()
    text = read(owner.get("/channels").text).text
    assert "1 more message waits for a connection." in text


@pytest.mark.parametrize("action", ["", "/remove", "/place", "/check", "/send-test", "/release"])
def test_an_unknown_connection_is_not_found(house: House, action: str) -> None:
    owner = house.owner()
    path = f"/channels/00000000-0000-4000-8000-000000000000{action}"
    form = {"move": "up", "to": OWNER}
    assert owner.submit("/channels", form, action=path).status_code == 404
