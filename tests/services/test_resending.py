"""Sending again: a new message like the old one, once for each form, by the rules of today."""

from __future__ import annotations

from typing import Any, Final

import pytest

from senderkit.commands import parse_send_again
from senderkit.domain import Mode
from senderkit.errors import InvalidRequest
from senderkit.models import Suppression
from senderkit.services.resending import (
    NOT_ENDED,
    SENT_ALREADY,
    UNKNOWN,
    Outcome,
    Repeater,
    new_batch,
)
from senderkit.services.resends import find_original, list_repetitions
from senderkit.web.extensions import database
from tests.make import House, raw_email, store_connection

REASON: Final = "The shop's address was wrong."
FAILING: Final = "failed@simulator.senderkit.test"


def send_again(
    house: House,
    *ids: str,
    mode: Mode = Mode.TEST,
    batch: str = "one",
    version: str = "then",
    **more: bool,
) -> Outcome:
    command = parse_send_again(ids, REASON, version)
    return house.runtime.resending.send_again(Repeater(1, mode, new_batch(batch)), command, **more)


def end(house: House, *ids: str, status: str = "failed") -> None:
    for id_ in ids:
        house.write(
            "UPDATE messages SET status = :status, due_at = NULL WHERE public_id = :id",
            status=status,
            id=id_,
        )


def stored(house: House, public_id: str) -> dict[str, Any]:
    row = house.rows(
        "SELECT recipient, recipient_key, channel, vars, metadata, from_override, template_slug, "
        "template_version, template_version_id, livemode, api_key_id, request, scheduled_at, "
        "status FROM messages m JOIN message_contents c ON c.message_id = m.id "
        "WHERE public_id = :id",
        id=public_id,
    )[0]
    return dict(row._mapping)


def test_the_new_message_is_like_the_old_one_but_for_key_and_schedule(house: House) -> None:
    attachment = {"filename": "a.txt", "contentType": "text/plain", "content": "YWJj"}
    api = house.api()
    old = api.send(
        **raw_email(
            to="Ada@Example.com",
            vars={"name": "Ada"},
            metadata={"order": 7, "gift": True},
            fromName="Acme Shop",
            interpolate=True,
            scheduledAt="2026-11-25T10:00:00Z",
        )
        | {
            "content": {
                "subject": "S {{name}}",
                "html": "<p>H</p>",
                "cc": ["c@example.com"],
                "attachments": [attachment],
            }
        }
    )
    end(house, old, status="canceled")

    new = send_again(house, old).sent[old]

    before, after = stored(house, old), stored(house, new)
    assert (before.pop("status"), after.pop("status")) == ("canceled", "queued")
    assert before.pop("scheduled_at") is not None
    assert after.pop("scheduled_at") is None
    assert before.pop("api_key_id") is not None
    assert after.pop("api_key_id") is None
    assert after == before
    files = "SELECT filename, content_type, content FROM message_attachments a JOIN messages m "
    files += "ON m.id = a.message_id WHERE m.public_id = :id"
    assert [tuple(row) for row in house.rows(files, id=new)] == [("a.txt", "text/plain", b"abc")]
    assert [row["publicId"] for row in api.messages("?metadata[order]=7")] == [new, old]
    house.deliver()
    assert api.message(new)["status"] == "delivered"


def test_the_two_know_of_each_other_and_why(house: House) -> None:
    api = house.api()
    old = api.send(to=FAILING)
    house.deliver()

    new = send_again(house, old).sent[old]

    first = api.message(new)["timeline"][0]
    assert (first["e"], first["resendOf"], first["reason"]) == ("queued", old, REASON)
    numbers = {row[1]: row[0] for row in house.rows("SELECT id, public_id FROM messages")}
    with house.runtime.reader.connect() as connection:
        original = find_original(connection, numbers[new])
        assert original is not None
        assert (original.public_id, original.reason, original.by) == (old, REASON, None)
        assert [each.public_id for each in list_repetitions(connection, numbers[old])] == [new]
        assert find_original(connection, numbers[old]) is None


def test_a_batch_sends_each_message_once_however_often_it_is_tried(house: House) -> None:
    api = house.api()
    ids = [api.send(to=FAILING) for _ in range(60)]
    house.deliver()

    first = send_again(house, *ids[:30])
    again = send_again(house, *ids)
    other = send_again(house, *ids, batch="two", leaves_out_repeated=True)

    assert {old: again.sent[old] for old in ids[:30]} == first.sent
    assert len(set(again.sent.values())) == 60
    assert (other.sent, other.left_out) == ({}, {SENT_ALREADY: 60})
    assert house.rows("SELECT count(*) FROM messages") == [(120,)]


def test_one_message_may_be_sent_again_and_again(house: House) -> None:
    old = house.api().send(to=FAILING)
    house.deliver()
    sent = {send_again(house, old, batch=batch).sent[old] for batch in ("one", "two")}
    assert len(sent) == 2


@pytest.mark.parametrize("status", ["queued", "scheduled", "rendered"])
def test_what_has_not_ended_is_left_out(house: House, status: str) -> None:
    old = house.api().send()
    house.write("UPDATE messages SET status = :status", status=status)
    assert send_again(house, old).left_out == {NOT_ENDED: 1}


@pytest.mark.parametrize(
    "status", ["sent", "delivered", "failed", "canceled", "opted_out", "suppressed", "blocked"]
)
def test_whatever_has_ended_can_be_sent_again(house: House, status: str) -> None:
    old = house.api().send()
    end(house, old, status=status)
    assert list(send_again(house, old).sent) == [old]


def test_another_modes_message_is_unknown(house: House) -> None:
    old = house.api().send()
    end(house, old)
    assert send_again(house, old, mode=Mode.LIVE).left_out == {UNKNOWN: 1}
    assert send_again(house, f"msg_{'0' * 26}").left_out == {UNKNOWN: 1}


def test_the_version_is_the_one_of_then_unless_the_one_of_now_is_wanted(house: House) -> None:
    house.template("welcome")
    api = house.api()
    old = api.send(template="welcome", to="ada@example.com", vars={"name": "Ada"})
    end(house, old)
    content = {"subject": "New", "html": "<p>New</p>"}
    api.post("/v1/templates/welcome/versions", {"content": content})

    then, now = (
        send_again(house, old, batch=version, version=version).sent[old]
        for version in ("then", "now")
    )

    assert stored(house, then)["template_version"] == 1
    assert stored(house, now)["template_version"] == 2
    assert stored(house, now)["template_version_id"] != stored(house, old)["template_version_id"]


def test_an_archived_template_is_told_and_the_others_go_out(house: House) -> None:
    house.template("welcome")
    api = house.api()
    templated = api.send(template="welcome", to="ada@example.com")
    raw = api.send()
    end(house, templated, raw)
    house.write("UPDATE templates SET archived_at = created_at")

    outcome = send_again(house, templated, raw)

    assert list(outcome.sent) == [raw]
    assert [*outcome.left_out] == [
        "The template 'welcome' is archived: restore it to send it again."
    ]


def test_a_live_message_needs_a_provider_and_stays_live(house: House) -> None:
    connection_id = store_connection(house)
    old = house.api("live").send()
    end(house, old)

    new = send_again(house, old, mode=Mode.LIVE).sent[old]

    assert stored(house, new)["livemode"] in (1, True)
    lane = "SELECT lane FROM messages WHERE public_id = :id"
    assert house.rows(lane, id=new) == [(connection_id,)]
    house.write("DELETE FROM connections")
    outcome = send_again(house, old, mode=Mode.LIVE, batch="two")
    assert [*outcome.left_out] == ["No provider is connected that can deliver email."]


def test_whoever_has_opted_out_since_is_not_written_to(house: House) -> None:
    store_connection(house)
    old = house.api("live").send(to="ada@example.com")
    end(house, old)

    def opt_out() -> None:
        session = database.session()
        session.add(
            Suppression(
                workspace_id=1,
                channel="email",
                recipient_key="ada@example.com",
                reason="unsubscribed",
                created_at=house.clock(),
            )
        )
        session.commit()

    house.in_app(opt_out)
    new = send_again(house, old, mode=Mode.LIVE).sent[old]
    house.deliver()
    assert stored(house, new)["status"] == "opted_out"


@pytest.mark.parametrize(
    ("ids", "reason", "version"),
    [
        ([], "why", "then"),
        (["msg_1"], "why", "then"),
        ([f"msg_{'0' * 26}"], " \n", "then"),
        ([f"msg_{'0' * 26}"], "x" * 501, "then"),
        ([f"msg_{'0' * 26}"], "why", "9"),
        ([f"msg_{number:026}" for number in range(1001)], "why", "then"),
    ],
)
def test_what_cannot_be_meant_is_refused(ids: list[str], reason: str, version: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_send_again(ids, reason, version)
