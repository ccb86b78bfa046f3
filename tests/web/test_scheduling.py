"""`scheduledAt`: what moments are taken, and what becomes of them."""

from __future__ import annotations

from typing import Any

from werkzeug.test import TestResponse

from tests.make import Api, House, raw_email

# The clock of these tests stands at 2026-11-24T10:00:00Z.


def schedule(api: Api, moment: Any) -> TestResponse:
    return api.post("/v1/send", raw_email(scheduledAt=moment))


def test_a_moment_in_the_future_is_kept_in_utc(api: Api) -> None:
    taken = {
        "2026-11-24T10:00:01Z": "2026-11-24T10:00:01.000Z",
        "2026-11-24T12:30:00+02:00": "2026-11-24T10:30:00.000Z",
        "2026-11-24T06:00:00-05:30": "2026-11-24T11:30:00.000Z",
        "2026-11-25T00:00:00.123456789Z": "2026-11-25T00:00:00.123Z",
        "2026-11-24T10:00:00.5Z": "2026-11-24T10:00:00.500Z",
        "2026-12-24T10:00:00Z": "2026-12-24T10:00:00.000Z",
        "2026-11-25T00:30:00+14:00": "2026-11-24T10:30:00.000Z",
    }
    for given, kept in taken.items():
        answer = schedule(api, given)
        assert answer.status_code == 202, given
        assert answer.json["status"] == "scheduled"  # type: ignore[index]
        message = api.message(answer.json["id"])  # type: ignore[index]
        assert (message["status"], message["scheduledAt"]) == ("scheduled", kept)
        assert [step["e"] for step in message["timeline"]] == ["scheduled"]


def test_the_last_five_seconds_count_as_now(api: Api) -> None:
    for given in ("2026-11-24T10:00:00Z", "2026-11-24T09:59:55Z", "2026-11-24T10:59:56+01:00"):
        answer = schedule(api, given)
        assert (answer.status_code, answer.json["status"]) == (202, "queued")  # type: ignore[index]
        assert api.message(answer.json["id"])["scheduledAt"] is None  # type: ignore[index]


def test_null_is_now(api: Api) -> None:
    assert schedule(api, None).json["status"] == "queued"  # type: ignore[index]


def test_any_other_moment_is_refused_and_stores_nothing(api: Api, house: House) -> None:
    refused = {
        "2026-11-24T09:59:54Z": "future",
        "2026-12-24T10:00:01Z": "30 days",
        "2026-11-24T12:00:00": "offset",
        "2026-11-24T12:00:00.000": "offset",
        "2026-11-24 12:00:00Z": "such as",
        "2026-11-24": "such as",
        "2026-11-24T12:00:00.1234567890Z": "such as",
        "2026-11-24T12:00:00+0200": "such as",
        "2026-11-24T12:00:00+24:00": "such as",
        "2026-11-31T12:00:00Z": "no such date",
        "2026-11-24T25:00:00Z": "no such date",
        "2026-11-24T12:00:60Z": "no such date",
        "9999-12-31T23:59:59-14:00": "30 days",
        "0001-01-01T00:00:00+14:00": "future",
        "tomorrow": "such as",
        "": "such as",
        1764000000: "string",
        True: "string",
    }
    for given, said in refused.items():
        answer = schedule(api, given)
        assert answer.status_code == 400, given
        (issue,) = answer.json["error"]["issues"]  # type: ignore[index]
        assert issue["path"] == ["scheduledAt"]
        assert said in issue["message"], given
    assert house.rows("SELECT count(*) FROM messages") == [(0,)]


def test_it_goes_out_when_due_and_never_before(api: Api, house: House) -> None:
    message_id = schedule(api, "2026-11-24T11:00:00Z").json["id"]  # type: ignore[index]
    house.clock.advance(minutes=59, seconds=59.999)
    assert house.deliver() == 0
    assert api.message(message_id)["status"] == "scheduled"
    house.clock.advance(milliseconds=1)
    assert house.deliver() == 1
    message = api.message(message_id)
    assert message["status"] == "delivered"
    assert [step["e"] for step in message["timeline"]] == [
        *("scheduled", "queued", "rendered", "sent", "delivered")
    ]
