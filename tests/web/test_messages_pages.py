"""The pages about messages: list, filters, pager, one message, its preview, cancel."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from senderkit.domain import MessageStatus
from senderkit.web.headers import PREVIEW_POLICY
from tests.make import OWNER, Api, House, Pages
from tests.web.reading import read

SIMULATOR = "simulator.senderkit.test"
PIXEL = b"\x89PNG not really"


@pytest.fixture
def owner(house: House) -> Pages:
    return house.owner()


def listed(owner: Pages, query: str = "") -> list[str]:
    """The ids of the messages on a page of the list, in their order."""
    answer = owner.get(f"/messages{query}")
    assert answer.status_code == 200
    links = read(answer.text).links.values()
    paths = [href for href in links if href.startswith("/messages/msg_")]
    return [path.rpartition("/")[2] for path in paths]


def to(number: int) -> str:
    return f"ada.{number:03}@example.com"


# -- the list ---------------------------------------------------------------------------------


def test_without_messages_the_page_says_how_to_send_one(owner: Pages) -> None:
    page = read(owner.get("/messages").text)
    assert "No test messages yet" in page.text
    assert "curl" in page.text
    assert page.links["New key"] == "/keys/new"


def test_a_row_says_when_to_whom_what_and_what_became_of_it(
    house: House, api: Api, owner: Pages
) -> None:
    house.template("welcome")
    api.send(template="welcome", to="ada@example.com")
    api.send(to=f"failed@{SIMULATOR}")
    house.clock.advance(seconds=1)
    house.deliver()
    page = read(owner.get("/messages").text)
    assert "2026-11-24 10:00:00 UTC email ada@example.com welcome Delivered" in page.text
    assert f"email failed@{SIMULATOR} raw Failed" in page.text
    assert "2 messages" in page.text


@pytest.mark.parametrize(
    "query",
    [
        "status=delivered",
        "channel=email",
        "template=welcome",
        "q=WELCOME",
        "q=pro",
        "key={key}",
        "from=2026-11-24&to=2026-11-24",
    ],
)
def test_each_filter_shows_what_fits_and_keeps_the_rest_out(
    house: House, owner: Pages, query: str
) -> None:
    house.template("welcome")
    wanted = house.api().send(template="welcome", to="ada@example.com", metadata={"plan": "pro"})
    house.deliver()
    house.clock.advance(days=1)
    sms = {"channel": "sms", "to": "+15005550006", "content": {"body": "Code"}}
    house.api().send(**sms)
    key = house.rows("SELECT k.public_id FROM api_keys k JOIN messages m ON m.api_key_id = k.id")
    assert listed(owner, "?" + query.format(key=key[0][0])) == [wanted]


def test_a_chosen_filter_can_be_taken_away_again(api: Api, owner: Pages) -> None:
    api.send()
    page = read(owner.get("/messages?status=failed&q=ada&template=gone").text)
    assert "No message matches" in page.text
    assert page.links["Any status"] == "/messages?template=gone&q=ada"
    assert page.links["template: gone"] == "/messages?status=failed&q=ada"
    assert page.links["Clear filters"] == "/messages"
    assert page.links["Any day"] == "/messages?status=failed&template=gone&q=ada"
    search, days = (form.values for form in page.forms if form.method == "get")
    assert search == {"status": "failed", "template": "gone", "q": "ada"}
    assert days == {"status": "failed", "template": "gone", "q": "ada", "from": "", "to": ""}


def test_older_and_newer_lead_through_all_pages_and_keep_the_filters(
    house: House, api: Api, owner: Pages
) -> None:
    sent = [api.send(to=to(number)) for number in range(101)][::-1]
    api.send(to="grace@example.com")
    shown = [(path := "/messages?q=ada")]
    while (page := read(owner.get(path).text)).links.get("Older"):
        path = page.links["Older"]
        assert "q=ada" in path
        shown.append(path)
    assert [len(listed(owner, each.removeprefix("/messages"))) for each in shown] == [50, 50, 1]
    found = [id_ for each in shown for id_ in listed(owner, each.removeprefix("/messages"))]
    assert found == sent
    assert "50+ messages" in read(owner.get(shown[0]).text).text

    back = page.links["Newer"]
    assert listed(owner, back.removeprefix("/messages")) == sent[50:100]
    top = read(owner.get(back).text).links["Newer"]
    assert listed(owner, top.removeprefix("/messages")) == sent[:50]
    assert "Newer" not in read(owner.get(top).text).links


BAD_QUERIES = [
    "status=nope",
    "channel=fax",
    "from=yesterday",
    "to=2026-02-30",
    "from=2026-11-25&to=2026-11-24",
    "key=4711",
    "before=x",
    "after=x",
    "before=" + "x" * 501,
    "before=a&after=b",
    "q=" + "x" * 201,
    "q=a%00b",
    "template=" + "x" * 101,
]


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_filter_that_cannot_be_read_is_told_with_a_way_back(owner: Pages, query: str) -> None:
    answer = owner.get(f"/messages?{query}")
    assert answer.status_code == 400
    page = read(answer.text)
    assert "This list cannot be shown" in page.text
    assert page.links["Show all messages"] == "/messages"


def test_names_that_are_no_filter_are_left_alone(api: Api, owner: Pages) -> None:
    message_id = api.send()
    assert listed(owner, "?utm_source=mail&status=") == [message_id]


# -- one message ------------------------------------------------------------------------------


def test_a_message_shows_its_life_its_data_and_its_key(
    house: House, api: Api, owner: Pages
) -> None:
    house.template("welcome")
    message_id = api.send(
        template="welcome",
        to="ada@example.com",
        vars={"name": "Ada"},
        metadata={"order": 4711, "trial": True},
        fromName="Acme Shop",
    )
    house.deliver()
    page = read(owner.get(f"/messages/{message_id}").text)
    for words in (
        "its delivery was simulated",
        "Simulated: no provider was called.",
        "An app",
        message_id,
        "order 4711",
        "trial true",
        "From Acme Shop",
        '"name": "Ada"',
        "Hello Ada",
    ):
        assert words in page.text
    assert page.links["Open template"] == "/templates/welcome?version=1"
    assert page.frames == [f"/messages/{message_id}/preview?part=html"]


@pytest.mark.parametrize(
    ("word", "status", "meaning"),
    [
        ("failed", "Failed", "It could not be delivered, and nothing more is tried."),
        ("opted-out", "Opted out", "the recipient has opted out"),
        ("suppressed", "Suppressed", "would not send to this recipient"),
        ("delayed", "Rendered", "a try that fails is repeated"),
        ("ada", "Delivered", "simulated"),
    ],
)
def test_each_outcome_says_what_it_means_and_why(
    house: House, api: Api, owner: Pages, word: str, status: str, meaning: str
) -> None:
    message_id = api.send(to=f"{word}@{SIMULATOR}")
    house.deliver()
    page = read(owner.get(f"/messages/{message_id}").text)
    assert f"{status} " in page.text
    assert meaning in page.text
    if word != "ada":
        assert "Why Simulated: the " in page.text


def test_a_megabyte_of_variables_does_not_make_the_page_as_long(api: Api, owner: Pages) -> None:
    message_id = api.send(vars={"rows": ["x" * 100] * 10_000})
    answer = owner.get(f"/messages/{message_id}")
    assert "… cut here" in answer.text
    assert len(answer.data) < 100_000


def test_before_it_is_rendered_there_is_no_preview(api: Api, owner: Pages) -> None:
    message_id = api.send(scheduledAt="2026-11-25T10:00:00Z")
    page = read(owner.get(f"/messages/{message_id}").text)
    assert "Not rendered yet" in page.text
    assert "Scheduled for 25 Nov 2026, 10:00:00 UTC" in page.text
    assert page.frames == []
    assert owner.get(f"/messages/{message_id}/preview").status_code == 404


def test_attachments_are_listed_with_type_and_size(house: House, api: Api, owner: Pages) -> None:
    file = {
        "filename": "Invoice.pdf",
        "contentType": "application/pdf",
        "content": base64.b64encode(b"x" * 1536).decode(),
    }
    content = {"subject": "S", "html": "<p>", "attachments": [file], "cc": ["boss@example.com"]}
    message_id = api.send(content=content)
    text = read(owner.get(f"/messages/{message_id}").text).text
    assert "Invoice.pdf application/pdf · 1.5 kB" in text
    assert "Cc boss@example.com" in text


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"channel": "sms", "to": "+15005550006", "content": {"body": "Code <b>"}}, ["Code <b>"]),
        (
            {
                "channel": "push",
                "to": "ExponentPushToken[a]",
                "content": {"title": "T<i>", "body": "B", "badge": 0, "data": {"id": "7"}},
            },
            ["T<i>", "Badge 0", '"id": "7"'],
        ),
        (
            {
                "channel": "web-push",
                "to": json.dumps(
                    {
                        "endpoint": "https://push.example.com/abc",
                        "keys": {
                            "p256dh": "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u"
                            "-Ts1XbjhazAkj7I99e8QcYP7DkM",
                            "auth": "tBHItJI5svbpez7KI4CCXg",
                        },
                    }
                ),
                "content": {"title": "T", "body": "B", "clickUrl": "https://acme.example/7"},
            },
            ["push.example.com/abc", "A click opens https://acme.example/7"],
        ),
    ],
    ids=["sms", "push", "web-push"],
)
def test_other_channels_show_what_the_device_shows(
    house: House, api: Api, owner: Pages, body: dict[str, object], shown: list[str]
) -> None:
    message_id = api.send(**body)
    house.deliver()
    page = read(owner.get(f"/messages/{message_id}").text)
    assert [words for words in shown if words not in page.text] == []
    assert "tBHItJI5svbpez7KI4CCXg" not in page.text
    assert page.frames == []
    assert owner.get(f"/messages/{message_id}/preview").status_code == 404


# -- the preview ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "mimetype", "shown"),
    [
        ("html", "text/html", "<p>Hello, <b>Ada</b>.</p>"),
        ("text", "text/plain", "Hello, Ada."),
        ("source", "text/plain", "<p>Hello, <b>Ada</b>.</p><script>x</script>"),
        ("nonsense", "text/html", "<p>Hello, <b>Ada</b>.</p>"),
    ],
)
def test_each_part_comes_under_the_policy_of_the_preview(
    house: House, api: Api, owner: Pages, part: str, mimetype: str, shown: str
) -> None:
    html = "<p>Hello, <b>Ada</b>.</p><script>x</script>"
    message_id = api.send(content={"subject": "S", "html": html})
    house.deliver()
    answer = owner.get(f"/messages/{message_id}/preview?part={part}")
    assert answer.status_code == 200
    assert answer.mimetype == mimetype
    assert answer.headers["Content-Security-Policy"] == PREVIEW_POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer.headers["Cache-Control"]
    assert shown in answer.text
    assert ("<script>" in answer.text) == (part == "source")


def test_pictures_that_came_with_the_email_are_shown_and_others_when_asked_for(
    house: House, api: Api, owner: Pages
) -> None:
    logo = {
        "filename": "logo.png",
        "contentType": "image/png",
        "content": base64.b64encode(PIXEL).decode(),
        "inline": True,
        "contentId": "logo",
    }
    html = '<img src="cid:logo"><img src="https://cdn.example/a.png"><img src="cid:other">'
    message_id = api.send(content={"subject": "S", "html": html, "attachments": [logo]})
    house.deliver()
    embedded = f'<img src="data:image/png;base64,{base64.b64encode(PIXEL).decode()}">'
    path = f"/messages/{message_id}/preview?part=html"

    quiet = owner.get(path).text
    assert embedded in quiet
    assert "cdn.example" not in quiet
    page = read(owner.get(f"/messages/{message_id}").text)
    assert "Pictures from other servers are not loaded" in page.text

    with_pictures = owner.get(f"{path}&pictures=yes").text
    assert '<img src="https://cdn.example/a.png">' in with_pictures
    assert "cid:" not in with_pictures
    page = read(owner.get(f"/messages/{message_id}?pictures=yes").text)
    assert page.frames == [f"{path}&pictures=yes"]


# -- who may see it ---------------------------------------------------------------------------

OF_ONE_MESSAGE = ("/messages/{id}", "/messages/{id}/preview", "/messages/{id}/cancel")


@pytest.mark.parametrize("path", OF_ONE_MESSAGE)
@pytest.mark.parametrize("id_", ["msg_unknown", "x" * 300, "%00", "ä"])
def test_an_unknown_message_is_not_found(owner: Pages, path: str, id_: str) -> None:
    assert owner.get(path.format(id=quote(id_, safe="%"))).status_code == 404


@pytest.mark.parametrize("path", OF_ONE_MESSAGE)
def test_a_message_of_the_other_mode_is_not_found(
    house: House, api: Api, owner: Pages, path: str
) -> None:
    message_id = api.send()
    assert owner.get(f"/messages/{message_id}").status_code == 200
    owner.submit("/", {"mode": "live"}, action="/mode")
    answer = owner.get(path.format(id=message_id))
    assert answer.status_code == 404
    if not path.endswith("/preview"):
        assert "This is a test message: switch to Test to see it." in answer.text
    assert owner.submit("/", {}, action=f"/messages/{message_id}/cancel").status_code == 404
    assert listed(owner) == []


def test_nothing_is_shown_without_a_login(house: House, api: Api) -> None:
    message_id = api.send()
    for path in ("/messages", *OF_ONE_MESSAGE):
        answer = house.pages().get(path.format(id=message_id))
        assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (302, "/login")


# -- cancel -----------------------------------------------------------------------------------


def test_a_message_is_canceled_after_a_question_and_says_by_whom(
    house: House, api: Api, owner: Pages
) -> None:
    message_id = api.send()
    shown = read(owner.get(f"/messages/{message_id}").text)
    path = shown.links["Cancel message"]
    question = read(owner.get(path).text)
    assert "Cancel this message?" in question.text
    assert api.message(message_id)["status"] == "queued"

    answer = owner.submit(path, question.form(path).values, follow_redirects=True)
    assert answer.status_code == 200
    page = read(answer.text)
    assert "The message is canceled" in page.text
    assert f"Canceled by {OWNER}." in page.text
    assert "Cancel message" not in page.links
    assert api.message(message_id)["status"] == "canceled"


@pytest.mark.parametrize("form", [True, False], ids=["form", "question"])
def test_when_the_dispatcher_was_faster_the_page_says_so(
    house: House, api: Api, owner: Pages, form: bool
) -> None:
    message_id = api.send()
    path = f"/messages/{message_id}/cancel"
    values = read(owner.get(path).text).form(path).values
    house.deliver()
    answer = (
        owner.client.post(path, data=values, follow_redirects=True)
        if form
        else owner.get(path, follow_redirects=True)
    )
    assert answer.status_code == 200
    assert "This message is delivered: it can no longer be canceled." in read(answer.text).text
    assert api.message(message_id)["status"] == "delivered"


def test_every_status_can_be_chosen_and_is_marked(api: Api, owner: Pages) -> None:
    api.send()
    links = read(owner.get("/messages").text).links
    for status in MessageStatus:
        words = status.value.replace("_", " ").capitalize()
        assert links[words] == f"/messages?status={status.value}"
    assert links["Held"] == "/messages?status=held"
