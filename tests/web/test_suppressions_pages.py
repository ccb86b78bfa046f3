"""The pages of Suppressions: list, search, adding, removing, files in and out."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from werkzeug.test import TestResponse

from senderkit.commands.recipients import EXAMPLE_SUBSCRIPTION
from senderkit.services.suppression_list import MAX_BAD_LINES_TOLD, PAGE
from senderkit.web.bodies import MAX_PAGE_BODY_BYTES
from tests.make import House, Pages
from tests.web.reading import read

ENDPOINT = "https://push.example.com/send/abc"


@pytest.fixture
def owner(house: House) -> Pages:
    return house.owner()


def listed(house: House) -> list[tuple[str, str, str]]:
    sql = "SELECT channel, recipient_key, reason FROM suppressions ORDER BY id"
    return [(row[0], row[1], row[2]) for row in house.rows(sql)]


def add(owner: Pages, channel: str, recipient: str) -> TestResponse:
    form = {"channel": channel, "recipient": recipient}
    return owner.submit("/suppressions/new", form, action="/suppressions", follow_redirects=True)


def take(owner: Pages, content: str | bytes, channel: str = "") -> TestResponse:
    data = content.encode() if isinstance(content, str) else content
    form: dict[str, Any] = {"channel": channel, "file": (io.BytesIO(data), "list.csv")}
    return owner.submit("/suppressions/import", form)


# -- the list ---------------------------------------------------------------------------------


def test_an_empty_list_leads_to_adding(owner: Pages) -> None:
    for channel, words in (("email", "email"), ("sms", "SMS"), ("web-push", "web push")):
        page = read(owner.get(f"/suppressions?channel={channel}").text)
        assert f"Nobody is suppressed for {words}" in page.text
        assert page.links["Add recipient"] == f"/suppressions/new?channel={channel}"
    assert read(owner.get("/messages").text).links["Suppressions"] == "/suppressions"


def test_who_unsubscribed_is_listed_with_the_message(house: House, owner: Pages) -> None:
    message_id = house.api("test").send()
    house.write("UPDATE messages SET livemode = true")
    link = house.runtime.unsubscribe_signer.sign(message_id)
    house.pages().client.post(f"/unsubscribe/{link}")
    page = read(owner.get("/suppressions").text)
    assert "ada@example.com Unsubscribed 2026-11-24" in page.text
    assert page.links["Unsubscribed"] == f"/messages/{message_id}"


def test_pages_go_on_and_back(owner: Pages) -> None:
    take(owner, "\n".join(f"a{number:03}@example.com" for number in range(PAGE * 2 + 1)), "email")
    seen, path = [], "/suppressions"
    for _ in range(3):
        page = read(owner.get(path).text)
        seen.append(page.text.count("@example.com"))
        path = page.links.get("Next", "")
    assert seen == [PAGE, PAGE, 1]
    assert path == ""
    path = page.links["Previous"]
    page = read(owner.get(path).text)
    assert "a050@example.com" in page.text
    assert "a100@example.com" not in page.text
    assert "a100@example.com" in read(owner.get(page.links["Next"]).text).text
    first = read(owner.get(page.links["Previous"]).text)
    assert "a000@example.com" in first.text
    assert "Previous" not in first.links
    assert "a050@example.com" in read(owner.get(first.links["Next"]).text).text


def test_the_search_finds_a_part_in_any_case(owner: Pages) -> None:
    take(owner, "ada@example.com\nbob%@example.org\nb_b@example.org\n", "email")
    for q, found in (("ADA@", 1), ("example", 3), ("%", 1), ("_b", 1), ("nobody", 0)):
        page = owner.get("/suppressions", query_string={"q": q})
        assert page.text.count("data-dialog") == found, q
    assert "No recipient matches" in page.text


@pytest.mark.parametrize(
    "query", ["channel=fax", "q=%00", "after=%00", f"q={'x' * 201}", f"before={'x' * 9000}"]
)
def test_a_query_that_cannot_be_read_is_told(owner: Pages, query: str) -> None:
    answer = owner.get(f"/suppressions?{query}")
    assert answer.status_code == 400
    assert "This list cannot be shown" in answer.text


# -- by hand ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "recipient", "key"),
    [
        ("email", " Ada <ADA@Example.com> ", "ada@example.com"),
        ("sms", "+15555550100", "+15555550100"),
        ("push", "ExponentPushToken[abc]", "ExponentPushToken[abc]"),
        ("web-push", EXAMPLE_SUBSCRIPTION, ENDPOINT),
        ("web-push", ENDPOINT, ENDPOINT),
    ],
)
def test_a_recipient_is_added_by_hand(
    house: House, owner: Pages, channel: str, recipient: str, key: str
) -> None:
    assert "is on the list now." in add(owner, channel, recipient).text
    assert listed(house) == [(channel, key, "manual")]
    assert "was on the list already." in add(owner, channel, recipient).text
    assert len(listed(house)) == 1


def test_who_is_listed_gets_nothing(live_house: House) -> None:
    add(live_house.owner(), "email", "ada@example.com")
    api = live_house.api("live")
    message_id = api.send()
    live_house.deliver()
    assert api.message(message_id)["status"] == "opted_out"


@pytest.mark.parametrize(
    ("channel", "recipient", "field"),
    [
        ("email", "", "recipient"),
        ("email", "nobody", "recipient"),
        ("email", "a\0b@example.com", "recipient"),
        ("sms", "0123", "recipient"),
        ("web-push", "https://", "recipient"),
        ("fax", "x", "channel"),
    ],
)
def test_a_bad_recipient_is_told_at_its_field(
    house: House, owner: Pages, channel: str, recipient: str, field: str
) -> None:
    answer = add(owner, channel, recipient)
    assert answer.status_code == 422
    assert f'id="f-{field}-error"' in answer.text
    assert listed(house) == []


def test_a_recipient_is_taken_off_after_a_question(house: House, owner: Pages) -> None:
    take(owner, "recipient,reason\nada@example.com,complained\n", "email")
    path = "/suppressions/remove?channel=email&recipient=ada@example.com"
    page = read(owner.get(path).text)
    assert "They asked for no more messages." in page.text
    form = page.form("/suppressions/remove")
    assert len(listed(house)) == 1
    answer = owner.client.post("/suppressions/remove", data=form.values, follow_redirects=True)
    assert "ada@example.com is off the list" in answer.text
    assert listed(house) == []
    assert owner.client.post("/suppressions/remove", data=form.values).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?channel=email",
        "?channel=fax&recipient=x",
        "?channel=email&recipient=x",
        "?channel=email&recipient=%00",
    ],
)
def test_nobody_is_not_found(owner: Pages, query: str) -> None:
    assert owner.get(f"/suppressions/remove{query}").status_code == 404


# -- files ------------------------------------------------------------------------------------


def test_a_file_goes_out_and_comes_in_the_same(house: House, owner: Pages) -> None:
    content = (
        "channel,recipient,reason,since\r\n"
        "email,=1+1@example.com,unsubscribed,2026-11-01T10:00:00Z\r\n"
        "email,ada@example.com,bounced,2026-11-02T00:00:00Z\r\n"
        "sms,+15555550100,manual,2026-11-03T00:00:00Z\r\n"
        "push,\"=HYPERLINK('x','y')\",manual,2026-11-03T00:00:00Z\r\n"
        "push,-a,complained,2026-11-03T00:00:00Z\r\n"
    )
    assert "5 recipients added" in take(owner, content).text
    answer = owner.get("/suppressions/export")
    assert answer.mimetype == "text/csv"
    assert 'filename="suppressions.csv"' in answer.headers["Content-Disposition"]
    cells = [cell for row in csv.reader(io.StringIO(answer.text, newline="")) for cell in row]
    dangerous = [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert dangerous == ["+15555550100"]

    sql = "SELECT channel, recipient_key, reason, created_at FROM suppressions"
    before = sorted(house.rows(sql))
    house.write("DELETE FROM suppressions")
    assert "5 recipients added" in take(owner, answer.text).text
    assert sorted(house.rows(sql)) == before


def test_bad_lines_are_told_and_spoil_no_other(house: House, owner: Pages) -> None:
    content = (
        "channel,recipient,reason,since\n"
        "email,ada@example.com,,\n"
        "email,<script>alert(1)</script>,,\n"
        "\n"
        "fax,x,,\n"
        ",bob@example.com,,\n"
        "email,eve@example.com,because,\n"
        "email,kim@example.com,manual,yesterday\n"
        "email,ada@example.com,bounced,\n"
        "sms,+15555550100\n"
    )
    page = read(take(owner, content).text)
    assert "2 recipients added, 5 lines left out" in page.text
    assert "1 was on the list already and stayed as they were." in page.text
    for number, words in (
        (3, "<script>alert(1)</script> Must be one email address"),
        (5, "x The channel must be one of"),
        (6, "bob@example.com The channel must be one of"),
        (7, "eve@example.com The reason must be one of"),
        (8, "kim@example.com The date must look like"),
    ):
        assert f"{number} {words}" in page.text
    assert [row[1:] for row in listed(house)] == [
        ("ada@example.com", "manual"),
        ("+15555550100", "manual"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "ada@example.com\nbob@example.com\n",
        "\ufeffEmail Address;Reason\r\nada@example.com;HardBounce\r\nbob@example.com;Complaint",
        "email\treason\nada@example.com\tunsubscribe\nbob@example.com\t",
        '"Recipient","Created"\n"ada@example.com","x"\n"bob@example.com","y"\n',
    ],
)
def test_files_of_others_are_understood(house: House, owner: Pages, content: str) -> None:
    assert "2 recipients added" in take(owner, content, "email").text
    assert [row[1] for row in listed(house)] == ["ada@example.com", "bob@example.com"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file holds no recipient."),
        (b"\xff\xfea\x00", "This file is no text in UTF-8"),
        (b"recipient\n" + b"x" * 200_000, "1 line left out"),
        (b"recipient\n" + b'"' * 200_000, "1 line left out"),
        (b"a\x00b@example.com", "1 line left out"),
    ],
)
def test_a_strange_file_is_told(house: House, owner: Pages, content: bytes, words: str) -> None:
    assert words in take(owner, content, "email").text
    assert listed(house) == []


def test_without_a_file_the_form_says_so(owner: Pages) -> None:
    answer = owner.submit("/suppressions/import", {"channel": "sms"})
    assert (answer.status_code, 'id="f-file-error"' in answer.text) == (422, True)
    assert '<option value="sms" selected>' in answer.text


def test_a_file_over_the_limit_is_refused(house: House, owner: Pages) -> None:
    body = b"x" * (MAX_PAGE_BODY_BYTES + 1)
    how: dict[str, Any] = {"data": body, "content_type": "multipart/form-data; boundary=b"}
    assert owner.client.post("/suppressions/import", **how).status_code == 413
    assert listed(house) == []


def test_of_many_bad_lines_the_first_are_told(owner: Pages) -> None:
    text = take(owner, "x\n" * (MAX_BAD_LINES_TOLD + 1), "email").text
    assert "101 lines left out" in text
    assert f"The first {MAX_BAD_LINES_TOLD} are shown." in text


def test_a_large_file_is_taken_and_a_large_list_exported(house: House, owner: Pages) -> None:
    lines = [f"a{number}@example.com" for number in range(2_000)]
    assert "2,000 recipients added" in take(owner, "\n".join(lines), "email").text
    exported = owner.get("/suppressions/export").text.splitlines()
    assert len(exported) == 2_001
    assert {line.split(",")[1] for line in exported[1:]} == set(lines)
