"""The pages of webhooks: endpoints, their secrets, the log, replays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from senderkit.domain import Channel
from tests.conftest import MakeApp, RegisterProvider
from tests.fakes import FakeSmtp
from tests.fakes_http import Answer
from tests.fakes_http import FakeProvider as Receiver
from tests.make import OWNER, House, Pages, store_endpoint, wait_until
from tests.outbox.conftest import FakeProvider, connect, fake_provider
from tests.web.browsing import NONCE_FIELD
from tests.web.reading import read
from tests.webhooks.conftest import believed

SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")
EVERY = (
    *("message.sent", "message.delivered", "message.failed", "message.opted_out"),
    *("message.complained", "message.opened", "message.clicked"),
)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(ALLOW_PRIVATE_ADDRESSES="1")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        receiver.answer("POST /hook", Answer(200, body=b"thanks"))
        yield receiver


@pytest.fixture
def owner(house: House) -> Pages:
    return house.owner()


def nonce_of(pages: Pages, path: str) -> str:
    found = NONCE_FIELD.search(pages.get(path).text)
    assert found
    return found[1]


def add(pages: Pages, url: str, events: tuple[str, ...] = EVERY) -> TestResponse:
    form = {"url": url, "events": list(events), "nonce": nonce_of(pages, "/webhooks/new")}
    return pages.submit("/webhooks/new", form, action="/webhooks")


def path_of(house: House) -> str:
    [[public_id]] = house.rows("SELECT public_id FROM webhook_endpoints")
    return f"/webhooks/{public_id}"


def tell(house: House) -> int:
    return house.runtime.webhooks.run_once()


def text_of(answer: TestResponse) -> str:
    return read(answer.text).text


# -- endpoints ----------------------------------------------------------------------------------


def test_an_endpoint_is_added_and_its_secret_is_shown_once(
    house: House, owner: Pages, receiver: Receiver
) -> None:
    assert "No endpoints" in text_of(owner.get("/webhooks"))
    answer = add(owner, f"{receiver.url}/hook")
    secret = SECRET.search(answer.text)
    assert secret
    assert answer.headers["Cache-Control"] == "no-store"
    assert f"SENDERKIT_WEBHOOK_SECRET={secret[0]}" in answer.text
    pages = [owner.get(path).text for path in ("/webhooks", path_of(house))]
    pages.append(owner.get(f"{path_of(house)}/settings").text)
    assert not any(SECRET.search(text) for text in pages)
    assert secret[0] not in str(house.rows("SELECT * FROM webhook_endpoints"))

    owner.submit(f"{path_of(house)}/settings", {}, action=f"{path_of(house)}/test")
    tell(house)
    [request] = receiver.requests
    assert believed(request, secret[0], house.clock()).type == "webhook.test"


def test_a_form_that_is_sent_twice_adds_one_endpoint_and_shows_no_second_secret(
    house: House, owner: Pages
) -> None:
    form = {"url": "https://a.example/", "nonce": nonce_of(owner, "/webhooks/new")}
    assert SECRET.search(owner.submit("/webhooks/new", form, action="/webhooks").text)
    again = owner.submit("/webhooks/new", form, action="/webhooks")
    assert "This form was already sent: it added https://a.example/" in text_of(again)
    assert not SECRET.search(again.text)
    assert house.rows("SELECT count(*) FROM webhook_endpoints") == [(1,)]


def test_a_form_without_its_own_number_adds_nothing(house: House, owner: Pages) -> None:
    form = {"url": "https://a.example/", "nonce": "made-up"}
    answer = owner.submit("/webhooks/new", form, action="/webhooks")
    assert answer.status_code == 422
    assert "opened before you logged in" in text_of(answer)
    assert house.rows("SELECT count(*) FROM webhook_endpoints") == [(0,)]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "Give the address to call."),
        ("ftp://a.example/", "The address to call must begin with https:// or http://."),
        ("https://ada:pass@a.example/", "must not hold a user name"),
        ("https://a.example/\n", ""),
        ("https://a.example/" + "x" * 2048, "Must have at most 2048 characters."),
    ],
)
def test_an_address_that_cannot_be_called_is_told(
    house: House, owner: Pages, url: str, words: str
) -> None:
    answer = add(owner, url)
    if words:
        assert answer.status_code == 422
        assert words in text_of(answer)
    assert house.rows("SELECT count(*) FROM webhook_endpoints") == [(0 if words else 1,)]


def test_plain_http_and_private_addresses_are_refused_unless_the_operator_allows_them(
    make_app: MakeApp, house: House
) -> None:
    strict = House(make_app(), house.clock)
    owner = strict.owner()
    for url in ("http://a.example/", "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1/"):
        assert add(owner, url).status_code == 422, url
    assert strict.rows("SELECT count(*) FROM webhook_endpoints") == [(0,)]
    assert add(owner, "https://a.example/").status_code == 200


def test_events_are_chosen_and_all_of_them_are_every_type(house: House, owner: Pages) -> None:
    add(owner, "https://a.example/", EVERY)
    assert house.rows("SELECT events FROM webhook_endpoints") == [("",)]
    assert "Every type" in text_of(owner.get("/webhooks"))
    settings = f"{path_of(house)}/settings"
    owner.submit(settings, {"url": "https://b.example/", "events": ["message.failed"]})
    assert house.rows("SELECT url, events FROM webhook_endpoints") == [
        ("https://b.example/", "message.failed")
    ]
    assert "1 type" in text_of(owner.get("/webhooks"))
    answer = owner.submit(settings, {"url": "https://b.example/", "events": ["message.eaten"]})
    assert answer.status_code == 422
    assert "'message.eaten' is no event." in text_of(answer)


def test_rotating_shows_the_new_secret_once_and_keeps_the_old_one_for_a_day(
    house: House, owner: Pages
) -> None:
    first = SECRET.search(add(owner, "https://a.example/").text)
    path = path_of(house)
    form = {"nonce": nonce_of(owner, f"{path}/rotate")}
    second = SECRET.search(owner.submit(f"{path}/rotate", form).text)
    assert first
    assert second
    assert first[0] != second[0]
    again = owner.submit(f"{path}/rotate", form)
    assert not SECRET.search(again.text)
    assert "This form was already sent: the secret is rotated" in text_of(again)
    assert "signs as well until" in text_of(owner.get(f"{path}/settings"))
    [row] = house.rows("SELECT sealed_secret FROM webhook_endpoints")
    assert house.runtime.vault.unseal(row[0]) == {"secret": second[0], "previous": first[0]}

    owner.submit(f"{path}/settings", {}, action=f"{path}/end-overlap")
    [row] = house.rows("SELECT sealed_secret FROM webhook_endpoints")
    assert house.runtime.vault.unseal(row[0]) == {"secret": second[0]}
    assert "signs as well until" not in text_of(owner.get(f"{path}/settings"))


def test_it_is_switched_off_and_on_and_removed(house: House, owner: Pages) -> None:
    add(owner, "https://a.example/")
    path = path_of(house)
    owner.submit(f"{path}/settings", {}, action=f"{path}/off")
    assert "Off" in text_of(owner.get("/webhooks"))
    assert house.rows("SELECT is_enabled, disabled_reason FROM webhook_endpoints") == [(0, None)]
    owner.submit(f"{path}/settings", {}, action=f"{path}/on")
    assert house.rows("SELECT is_enabled FROM webhook_endpoints") == [(1,)]
    owner.submit(f"{path}/settings", {}, action=f"{path}/test")
    answer = owner.submit(f"{path}/remove", {}, follow_redirects=True)
    assert "https://a.example/ is removed." in text_of(answer)
    for table in ("webhook_endpoints", "webhook_events", "webhook_deliveries"):
        assert house.rows(f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608 - our own words


# -- the log ------------------------------------------------------------------------------------


@pytest.fixture
def mail(house: House, register: RegisterProvider) -> FakeProvider:
    provider = register(fake_provider("fake-mail", channel=Channel.EMAIL))
    connect(house, provider.name)
    return provider


def test_the_log_tells_what_was_told_and_what_was_answered(
    house: House, owner: Pages, receiver: Receiver, mail: FakeProvider
) -> None:
    add(owner, f"{receiver.url}/hook")
    receiver.answer("POST /hook", Answer(503, body=b"<b>Busy</b>"), times=1)
    message_id = house.api("live").send()
    house.deliver()
    path = path_of(house)
    assert "Waiting" in text_of(owner.get(path))
    tell(house)
    listed = text_of(owner.get(path))
    assert "message.sent" in listed
    assert "503" in listed
    assert "Retrying" in listed
    house.clock.advance(seconds=7)
    tell(house)
    [[delivery_id]] = house.rows("SELECT public_id FROM webhook_deliveries")
    page = owner.get(f"{path}/deliveries/{delivery_id}")
    shown = text_of(page)
    for words in (message_id, delivery_id, "503", "200", "thanks", "<b>Busy</b>", "Try 2"):
        assert words in shown
    assert "<b>Busy" not in page.text
    assert "Delivered" in shown


def test_the_log_is_filtered_and_paged(house: House, owner: Pages) -> None:
    store_endpoint(house)
    path = path_of(house)
    for _ in range(51):
        house.clock.advance(seconds=1)
        owner.submit(f"{path}/settings", {}, action=f"{path}/test")
    house.write("UPDATE webhook_deliveries SET state = 'given_up', due_at = NULL WHERE id <= 2")

    def ids(address: str) -> list[str]:
        return re.findall(r"/deliveries/(whd_[0-9a-z]{26})", owner.get(address).text)

    first = ids(path)
    older = re.search(r'href="([^"]+before=[^"]+)"', owner.get(path).text)
    assert older
    second = ids(older[1].replace("&amp;", "&"))
    everything = house.rows("SELECT public_id FROM webhook_deliveries ORDER BY id DESC")
    assert [*first, *second] == [row[0] for row in everything]
    newer = re.search(r'href="([^"]+after=[^"]+)"', owner.get(older[1]).text)
    assert newer
    assert ids(newer[1].replace("&amp;", "&")) == first
    assert len(ids(f"{path}?state=given_up")) == 2
    assert "No delivery of this endpoint" in text_of(owner.get(f"{path}?state=delivered"))
    for query in ("state=x", "before=x", "before=whd_1", "after=" + "9" * 600):
        answer = owner.get(f"{path}?{query}")
        assert answer.status_code == 400
        assert "This list cannot be shown" in text_of(answer)


def test_one_is_replayed_under_its_own_ids(house: House, owner: Pages, receiver: Receiver) -> None:
    add(owner, f"{receiver.url}/hook")
    path = path_of(house)
    owner.submit(f"{path}/settings", {}, action=f"{path}/test")
    tell(house)
    [[delivery_id]] = house.rows("SELECT public_id FROM webhook_deliveries")
    page = f"{path}/deliveries/{delivery_id}"
    answer = owner.submit(page, {}, action=f"{page}/replay", follow_redirects=True)
    assert "1 event is being told again." in text_of(answer)
    tell(house)
    first, second = receiver.requests
    for name in ("webhook-id", "x-senderkit-delivery"):
        assert first.headers[name] == second.headers[name]
    assert first.body == second.body


def test_a_time_range_is_replayed(house: House, owner: Pages, receiver: Receiver) -> None:
    add(owner, f"{receiver.url}/hook")
    path = path_of(house)
    began = house.clock()
    for number in range(6):
        receiver.answer("POST /hook", Answer(500 if number % 2 else 200), times=1)
        owner.submit(f"{path}/settings", {}, action=f"{path}/test")
        tell(house)
        house.clock.advance(hours=1)

    def replay(first: int, last: int, which: str) -> int:
        moments = [(began + timedelta(hours=n)).strftime("%Y-%m-%dT%H:%M") for n in (first, last)]
        form = {"from": moments[0], "to": moments[1], "which": which}
        owner.submit(f"{path}/replay", form)
        return tell(house)

    assert replay(0, 4, "given_up") == 2
    assert replay(0, 4, "given_up") == 0
    assert replay(2, 6, "all") == 4
    answer = owner.submit(f"{path}/replay", {"from": "yesterday", "to": "", "which": "some"})
    assert answer.status_code == 422
    assert "Must be a moment such as" in text_of(answer)
    assert "Choose what to replay." in text_of(answer)


def test_somebody_elses_pages_do_not_exist(house: House, owner: Pages) -> None:
    _, delivery_id = store_endpoint(house)
    other, _ = store_endpoint(house, "https://other.example/")
    assert owner.get("/webhooks/whe_00000000000000000000000000").status_code == 404
    assert owner.get(f"/webhooks/{other}/deliveries/{delivery_id}").status_code == 404


# -- telling the team ---------------------------------------------------------------------------


@pytest.fixture
def smtp() -> Iterator[FakeSmtp]:
    with FakeSmtp() as smtp:
        yield smtp


def banner(owner: Pages) -> str:
    text = owner.get("/keys").text
    start = text.find('<section class="banner"')
    return read(text[start : text.index("</section>", start)]).text if start >= 0 else ""


def test_the_team_is_told_when_an_endpoint_was_switched_off(
    make_app: MakeApp, house: House, receiver: Receiver, smtp: FakeSmtp
) -> None:
    settings = {
        "SMTP_URL": f"smtp://127.0.0.1:{smtp.port}",
        "MAIL_FROM": "Acme <hello@acme.example>",
        "ALLOW_PRIVATE_ADDRESSES": "1",
    }
    house = House(make_app(**settings), house.clock)
    owner = house.owner()
    add(owner, f"{receiver.url}/hook?token=hidden")
    receiver.answer("POST /hook", Answer(410))
    house.api("live").send()
    house.deliver()
    assert banner(owner) == ""
    tell(house)
    words = "It answered 410: it wants no more webhooks."
    assert banner(owner).startswith("A webhook endpoint was switched off Webhook endpoint http://")
    assert words in banner(owner)
    assert "Try again now" not in banner(owner)
    wait_until(lambda: len(smtp.messages) == 2)
    told = smtp.messages[-1]
    assert told.recipients == (OWNER,)
    assert words in told.body("plain")
    assert f"{receiver.url}/hook was switched off" in told.body("plain")
    assert "hidden" not in told.body("plain")

    path = path_of(house)
    assert words in text_of(owner.get(path))
    owner.submit(path, {}, action=f"{path}/off")
    assert banner(owner) == ""
