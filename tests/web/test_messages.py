"""`GET /v1/messages`, one message, and `DELETE`: pages, filters, what is visible to whom."""

from __future__ import annotations

from itertools import chain
from typing import Any, Final
from urllib.parse import quote, quote_plus

import pytest
from sqlalchemy import delete, insert, update
from werkzeug.test import TestResponse

from senderkit.domain import MessageStatus
from senderkit.models import Message, Workspace
from tests.make import Api, House, raw_email

SMS: Final = {"channel": "sms", "to": "+15555550100", "content": {"body": "b"}}


def page(api: Api, query: str = "") -> dict[str, Any]:
    answer = api.get(f"/v1/messages{query and '?' + query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json  # type: ignore[assignment]
    assert set(found) == {"data", "nextCursor"}
    return found


def ids(api: Api, query: str = "") -> list[str]:
    return [message["publicId"] for message in page(api, query)["data"]]


def all_pages(api: Api, query: str) -> list[list[str]]:
    pages: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        found = page(api, f"{query}&cursor={cursor}")
        pages.append([message["publicId"] for message in found["data"]])
        cursor = found["nextCursor"]
    return pages


def refused(answer: TestResponse) -> list[list[Any]]:
    """A refused query: the paths of its issues."""
    assert answer.status_code == 400, answer.text
    error = answer.json["error"]  # type: ignore[index]
    assert error["code"] == "invalid_request"
    return [issue["path"] for issue in error.get("issues", [])]


# -- pages --------------------------------------------------------------------------------------


def test_a_new_house_has_an_empty_page(api: Api) -> None:
    assert page(api) == {"data": [], "nextCursor": None}


def test_the_newest_comes_first_and_the_same_as_alone(api: Api) -> None:
    sent = [api.send(metadata={"n": number}) for number in range(3)]
    assert ids(api) == sent[::-1]
    assert page(api)["data"][0] == api.message(sent[-1])


def test_a_page_holds_fifty_unless_asked_and_two_hundred_at_most(api: Api) -> None:
    sent = [api.send() for _ in range(201)]
    assert len(ids(api)) == 50
    for limit, length in {"1": 1, "200": 200, "201": 200, "100000000000000000000": 200}.items():
        found = page(api, f"limit={limit}")
        assert len(found["data"]) == length
        assert found["nextCursor"] is not None
    assert [len(found) for found in all_pages(api, "limit=67")] == [67, 67, 67]
    assert list(chain(*all_pages(api, "limit=200"))) == sent[::-1]


def test_pages_neither_repeat_nor_skip_while_messages_arrive(api: Api) -> None:
    sent = [api.send(metadata={"a": 1}) for _ in range(10)]
    for query in ("limit=3", "limit=3&metadata[a]=1", "limit=3&channel=email&search=ada"):
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            found = page(api, f"{query}&cursor={cursor}")
            seen += [message["publicId"] for message in found["data"]]
            cursor = found["nextCursor"]
            api.send(metadata={"a": 1})  # above all pages
        assert seen == sent[::-1]
        sent = ids(api, "limit=200&metadata[a]=1")[::-1]


def test_a_cursor_still_holds_when_its_message_is_gone(api: Api, house: House) -> None:
    sent = [api.send() for _ in range(4)]
    cursor = page(api, "limit=2")["nextCursor"]
    with house.runtime.engine.begin() as connection:
        connection.execute(delete(Message).where(Message.public_id == sent[2]))
    assert ids(api, f"cursor={cursor}") == [sent[1], sent[0]]


def test_messages_of_the_same_instant_have_one_order(api: Api, house: House) -> None:
    sent = [api.send() for _ in range(6)]
    with house.runtime.engine.begin() as connection:
        connection.execute(update(Message).values(created_at=house.clock()))
    assert list(chain(*all_pages(api, "limit=1"))) == sent[::-1]


def test_the_last_page_has_no_cursor_even_when_it_is_full(api: Api) -> None:
    for _ in range(2):
        api.send()
    assert page(api, "limit=2")["nextCursor"] is None


def test_a_bad_cursor_is_refused(api: Api, house: House) -> None:
    api.send()
    api.send()
    good = page(api, "limit=1")["nextCursor"]
    bad = [
        *("x", "====", "msg_x", good[:-4], good + "AA", good.swapcase(), "%00", "%F0%9F%94%91"),
        *("bXNnXw", "fG1zZ18", "MjAyNi0xMS0yNHxtc2df", "w" * 500),
        # a naive moment, a moment that no database holds, a NUL, a lone pipe
        *("MjAyNi0xMS0yNFQxMDowMDowMHxtc2dfeA", "MjAyNi0xMS0yNFQxMDowMDowMCswMDowMHxtc2dfAA"),
        "MDAwMS0wMS0wMVQwMDowMDowMCsyMzo1OXxtc2dfeA",
        "OTk5OS0xMi0zMVQyMzo1OTo1OS0yMzo1OXxtc2dfeA",
        "fA",
    ]
    for cursor in bad:
        answer = api.get(f"/v1/messages?cursor={cursor}")
        assert refused(answer) == [["cursor"]], cursor


# -- who sees what --------------------------------------------------------------------------------


def test_a_mode_sees_its_own_messages_only(live_house: House) -> None:
    live, test = live_house.api("live"), live_house.api("test")
    messages = {live: live.send(), test: test.send()}
    for api, other in ((live, test), (test, live)):
        assert ids(api) == [messages[api]]
        for answer in (
            api.get(f"/v1/messages/{messages[other]}"),
            api.delete(f"/v1/messages/{messages[other]}"),
        ):
            assert answer.status_code == 404
            assert answer.json["error"]["code"] == "not_found"  # type: ignore[index]
        assert other.message(messages[other])["status"] == "queued"


def test_another_workspace_s_message_is_not_found(api: Api, house: House) -> None:
    message_id = api.send(metadata={"a": 1})
    with house.runtime.engine.begin() as connection:
        other = {"uuid": "u", "slug": "other", "name": "Other", "created_at": house.clock()}
        connection.execute(insert(Workspace).values(id=99, **other))
        connection.execute(update(Message).values(workspace_id=99))
    assert api.get(f"/v1/messages/{message_id}").status_code == 404
    assert api.delete(f"/v1/messages/{message_id}").status_code == 404
    assert ids(api) == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_message_goes_by_its_public_id_alone(api: Api, house: House, method: str) -> None:
    message_id = api.send()
    uuid = api.message(message_id)["id"]
    number = house.rows("SELECT id FROM messages")[0][0]
    strange = [
        *(uuid, str(number), message_id.upper(), message_id[:-1], f"{message_id}0"),
        *(f"{message_id}%00", "%00", "%ED%A0%80", "%FF", "x" * 5000, "%F0%9F%94%91", "..", "%20"),
        *("'%20OR%20'1'='1", "99999999999999999999", "-1", "msg_", "null"),
    ]
    for name in strange:
        answer = api.call(method, f"/v1/messages/{name}")
        assert answer.status_code == 404, name
        assert answer.json["error"]["code"] == "not_found"  # type: ignore[index]
    assert api.message(message_id)["status"] == "queued"


# -- cancel -------------------------------------------------------------------------------------


def test_scheduled_and_queued_messages_can_be_canceled(api: Api, house: House) -> None:
    for message_id in (api.send(scheduledAt="2026-11-24T11:00:00Z"), api.send()):
        answer = api.delete(f"/v1/messages/{message_id}")
        assert (answer.status_code, answer.json) == (200, {"id": message_id, "status": "canceled"})
        message = api.message(message_id)
        assert message["status"] == "canceled"
        assert message["timeline"][-1]["e"] == "canceled"
    house.clock.advance(hours=2)
    assert house.deliver() == 0


def test_every_other_status_cannot_and_says_so(api: Api, house: House) -> None:
    message_id = api.send()
    for status in set(MessageStatus) - {MessageStatus.SCHEDULED, MessageStatus.QUEUED}:
        with house.runtime.engine.begin() as connection:
            connection.execute(update(Message).values(status=status.value))
        answer = api.delete(f"/v1/messages/{message_id}")
        assert answer.status_code == 409
        error = answer.json["error"]  # type: ignore[index]
        assert error["code"] == "not_cancelable"
        assert status.value in error["message"]
        assert api.message(message_id)["status"] == status.value


# -- filters ------------------------------------------------------------------------------------


def test_every_status_finds_its_messages(api: Api, house: House) -> None:
    for number, status in enumerate(MessageStatus):
        message_id = api.send()
        with house.runtime.engine.begin() as connection:
            connection.execute(
                update(Message)
                .where(Message.public_id == message_id)
                .values(status=status.value, attempts=number % 2)
            )
        assert ids(api, f"status={status.value}") == [message_id]
    assert ids(api, "status=dispatched") == []


def test_dispatched_finds_what_a_provider_was_given(api: Api, house: House) -> None:
    message_id = api.send()
    with house.runtime.engine.begin() as connection:
        connection.execute(update(Message).values(status="rendered", attempts=1))
    assert ids(api, "status=dispatched") == [message_id]


def test_channel_and_template_find_theirs(api: Api, house: House) -> None:
    house.template("welcome")
    by_template = api.send(template="welcome", to="ada@example.com")
    sms = api.post("/v1/send", SMS).json["id"]  # type: ignore[index]
    raw = api.send()
    assert ids(api, "channel=sms") == [sms]
    assert ids(api, "channel=email") == [raw, by_template]
    assert ids(api, "channel=push") == ids(api, "channel=web-push") == []
    assert ids(api, "template=welcome") == ids(api, "template=WELCOME") == [by_template]
    assert ids(api, "template=absent") == []
    assert ids(api, "template=welcome&channel=sms") == []


def test_empty_filters_count_as_not_given(api: Api) -> None:
    message_id = api.send()
    for name in ("cursor", "status", "channel", "template", "search"):
        assert ids(api, f"{name}=") == [message_id]
    assert ids(api, "cursor=&status=&channel=&template=&search=&tail=") == [message_id]


def test_bad_filters_are_refused(api: Api) -> None:
    bad = {
        "limit=0": ["limit"],
        "limit=-1": ["limit"],
        "limit=": ["limit"],
        "limit=1.0": ["limit"],
        "limit=%D9%A1": ["limit"],
        "limit=1&limit=1": ["limit"],
        "status=Sent": ["status"],
        "status=sent,failed": ["status"],
        "channel=EMAIL": ["channel"],
        "template=" + "x" * 101: ["template"],
        "tail=0": ["tail"],
        "tail=true": ["tail"],
        "search=" + "x" * 201: ["search"],
        "search=%00": ["search"],
        "metadata=x": ["metadata"],
        "metadata[]=x": ["metadata", ""],
        "metadata[a=x": ["metadata[a"],
        "metadata[a]=%00": ["metadata", "a"],
        "metadata[%00]=a": ["metadata", "\0"],
        "Limit=1": ["Limit"],
        "": None,
    }
    for query, path in bad.items():
        if path is not None:
            assert refused(api.get(f"/v1/messages?{query}")) == [path], query
    for query in ("search=%FF", "%FF=1", "metadata[%FF]=1", "search=%ED%A0%80"):
        refused(api.get(f"/v1/messages?{query}"))


def test_a_query_of_thousands_of_names_is_refused(api: Api) -> None:
    refused(api.get("/v1/messages?" + "&".join(f"a{number}=1" for number in range(5000))))
    terms = "&".join(f"metadata[a{number}]=1" for number in range(21))
    assert refused(api.get(f"/v1/messages?{terms}")) == [["metadata"]]


# -- metadata -----------------------------------------------------------------------------------

VALUES: Final = {
    "int": 1,
    "float": 1.0,
    "text": "1",
    "true": True,
    "true-text": "true",
    "True-text": "True",
    "false": False,
    "half": 0.5,
    "word": "pro",
    "spaced": "a b",
    "empty": "",
    "percent": "100%",
    "big": 2**53 + 1,
    "exponent": 1e21,
    "umlaut": "Zürich",
    "long": "x" * 1000,
}
FINDS: Final = {
    "1": {"int", "float", "text"},
    "1.0": {"int", "float"},
    "true": {"true", "true-text"},
    "True": {"true", "True-text"},
    "TRUE": {"true"},
    "false": {"false"},
    "False": {"false"},
    "0.5": {"half"},
    "5e-1": {"half"},
    "pro": {"word"},
    "Pro": set(),
    "a b": {"spaced"},
    "": {"empty"},
    "100%": {"percent"},
    "9007199254740993": {"big"},
    "9007199254740992": set(),
    "1e21": {"exponent"},
    "1000000000000000000000": {"exponent"},
    "Zürich": {"umlaut"},
    "x" * 1000: {"long"},
    "x" * 999: set(),
    "01": set(),
    "NaN": set(),
}


def test_a_metadata_value_finds_its_type_and_the_same_text(api: Api) -> None:
    sent = {api.send(metadata={"k": value}): name for name, value in VALUES.items()}
    for raw, names in FINDS.items():
        for written in (quote(raw), quote_plus(raw)):
            found = {sent[message_id] for message_id in ids(api, f"metadata[k]={written}")}
            assert found == names, raw


def test_metadata_filters_are_anded_and_bracketed_in_either_way(api: Api) -> None:
    both = api.send(metadata={"a": 1, "b": "x y", "k[0]": "z", "ключ": "значение"})
    api.send(metadata={"a": 1, "b": "other"})
    for query in (
        *("metadata[a]=1&metadata[b]=x+y", "metadata%5Ba%5D=1&metadata%5Bb%5D=x%20y"),
        *("metadata[b]=x+y", "metadata[k[0]]=z", f"metadata[{quote('ключ')}]={quote('значение')}"),
        "metadata[a]=1&metadata[b]=x+y&status=queued&channel=email&limit=1",
    ):
        assert ids(api, query) == [both], query
    for query in ("metadata[a]=1&metadata[a]=2", "metadata[c]=1", "metadata[A]=1"):
        assert ids(api, query) == [], query
    assert ids(api, "metadata[a]=1&metadata[a]=1.0&metadata[b]=x+y") == [both]


# -- search -------------------------------------------------------------------------------------


def test_search_finds_a_part_of_what_a_message_is_known_by(api: Api, house: House) -> None:
    house.template("order-shipped")
    message_id = api.send(
        template="order-shipped",
        to="Ada Lovelace <ada@example.com>",
        metadata={"Invoice_No": "A-100%", "qty": 7.5, "gift": True},
    )
    api.send(to="bob@example.com")
    uuid = api.message(message_id)["id"]
    for text in (
        *(message_id, message_id[4:20].upper(), uuid, uuid[:13].upper()),
        *("lovelace", "ADA@", "SHIPPED", "invoice_no", "100%", "a-100", "7.5", "TRUE", "e_n"),
    ):
        assert ids(api, f"search={quote(text)}") == [message_id], text
    for text in ("%", "100_", "A%100", "\\", "ada@example.org", "' OR 1=1", "x" * 200):
        expected = [message_id] if text == "%" else []
        assert ids(api, f"search={quote(text)}") == expected, text


def test_search_is_case_insensitive_in_every_script(api: Api) -> None:
    message_id = api.send(metadata={"city": "ÅRHUS", "name": "Ζωή", "street": "Straße"})
    for text in ("århus", "ÅRHUS", "ζωή", "ΖΩΉ", "straße", "STRASSE"[:4]):
        assert ids(api, f"search={quote(text)}") == [message_id], text


def test_search_goes_with_the_other_filters(api: Api) -> None:
    first = api.send(metadata={"a": 1})
    api.send(metadata={"a": 2})
    assert ids(api, "search=ada&metadata[a]=1&status=queued") == [first]


def test_a_body_of_a_list_request_is_ignored(api: Api) -> None:
    message_id = api.send()
    answer = api.call("GET", "/v1/messages", json=raw_email())
    assert [message["publicId"] for message in answer.json["data"]] == [message_id]  # type: ignore[index]
