"""`Idempotency-Key`: a repeat gets the first answer again and stores nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from werkzeug.test import TestResponse

from tests.conftest import MakeApp
from tests.make import Api, House, raw_email


def send(api: Api, key: str, path: str = "/v1/send", **more: Any) -> TestResponse:
    return api.post(path, raw_email(**more), headers={"Idempotency-Key": key})


def count(house: House) -> int:
    found: int = house.rows("SELECT count(*) FROM messages")[0][0]
    return found


def duplicates(api: Api, message_id: str) -> int:
    return [step["e"] for step in api.message(message_id)["timeline"]].count("duplicate")


def assert_replayed(first: TestResponse, repeat: TestResponse) -> None:
    assert (repeat.status_code, repeat.json) == (202, first.json)
    assert repeat.headers["Idempotent-Replayed"] == "true"


def test_a_repeat_gets_the_first_answer_and_stores_nothing(api: Api, house: House) -> None:
    first = send(api, "order-1")
    assert first.status_code == 202
    assert "Idempotent-Replayed" not in first.headers
    for _ in range(3):
        assert_replayed(first, send(api, "order-1"))
    assert count(house) == 1
    assert duplicates(api, first.json["id"]) == 0  # type: ignore[index]


def test_without_a_key_every_send_is_its_own(api: Api, house: House) -> None:
    assert api.send() != api.send()
    assert count(house) == 2


def test_a_differing_body_is_noted_on_the_first_message_s_timeline(api: Api, house: House) -> None:
    first = send(api, "k")
    assert_replayed(first, send(api, "k", to="bob@example.com"))
    message = api.message(first.json["id"])  # type: ignore[index]
    assert message["recipient"] == "ada@example.com"
    note = message["timeline"][-1]
    assert (note["e"], note["reason"]) == (
        "duplicate",
        "A repeated Idempotency-Key came with a different body.",
    )
    assert count(house) == 1


def test_a_repeat_that_would_be_refused_now_gets_the_first_answer(api: Api, house: House) -> None:
    first = send(api, "k")
    repeats = [
        *(send(api, "k", to="nobody"), send(api, "k", colour=1)),
        api.post(
            "/v1/send",
            {"template": "absent", "to": "ada@example.com"},
            headers={"Idempotency-Key": "k"},
        ),
        api.post(
            "/v1/send",
            data=b"{",
            content_type="application/json",
            headers={"Idempotency-Key": "k"},
        ),
    ]
    for repeat in repeats:
        assert_replayed(first, repeat)
    assert duplicates(api, first.json["id"]) == len(repeats)  # type: ignore[index]
    assert count(house) == 1


def test_the_answer_stays_the_first_one_whatever_became_of_the_message(
    api: Api, house: House
) -> None:
    scheduled = send(api, "s", scheduledAt="2026-11-24T11:00:00Z")
    queued = send(api, "q")
    assert api.delete(f"/v1/messages/{scheduled.json['id']}").status_code == 200  # type: ignore[index]
    house.clock.advance(hours=2)
    house.deliver()
    assert_replayed(scheduled, send(api, "s", scheduledAt="2026-11-24T11:00:00Z"))
    assert_replayed(queued, send(api, "q"))


def test_a_refused_request_does_not_use_its_key_up(api: Api, house: House) -> None:
    assert send(api, "k", to="nobody").status_code == 400
    assert send(api, "k", colour=1).status_code == 400
    first = send(api, "k")
    assert first.status_code == 202
    assert "Idempotent-Replayed" not in first.headers


def test_both_routes_share_the_keys(api: Api, house: House) -> None:
    assert_replayed(send(api, "k"), send(api, "k", path="/v1/send-raw"))
    assert count(house) == 1


def test_keys_are_those_of_a_workspace_and_mode_not_of_an_api_key(live_house: House) -> None:
    live, test = live_house.api("live"), live_house.api("test")
    first = send(test, "k")
    assert_replayed(first, send(live_house.api("test"), "k"))
    other = send(live, "k")
    assert other.status_code == 202
    assert "Idempotent-Replayed" not in other.headers
    assert count(live_house) == 2


def test_any_text_of_up_to_512_bytes_is_a_key(api: Api, house: House) -> None:
    keys = ["x", "x" * 512, "a b", "a  b", "schlüssel", "ключ", "🔑", '"quoted"', "a,b", "0", "%00"]
    firsts = [send(api, wire_text(key)) for key in keys]
    assert {answer.status_code for answer in firsts} == {202}
    assert count(house) == len(keys)
    for key, first in zip(keys, firsts, strict=True):
        assert_replayed(first, send(api, wire_text(key)))


def wire_text(key: str) -> str:
    """A header's text as WSGI carries it: each character a byte of the UTF-8."""
    return key.encode("utf-8").decode("latin-1")


def test_spaces_around_a_key_are_not_part_of_it_and_an_empty_one_is_absent(
    api: Api, house: House
) -> None:
    assert_replayed(send(api, "k"), send(api, " \tk "))
    for empty in ("", " ", "\t"):
        assert "Idempotent-Replayed" not in send(api, empty).headers
    assert count(house) == 4


def test_a_key_of_513_bytes_is_refused(api: Api, house: House) -> None:
    for key in ("x" * 513, wire_text("ü" * 257)):
        answer = send(api, key)
        assert answer.status_code == 400
        assert answer.json["error"]["code"] == "invalid_request"  # type: ignore[index]
        assert "512" in answer.json["error"]["message"]  # type: ignore[index]
    assert count(house) == 0


def test_the_key_itself_is_stored_nowhere(api: Api, house: House) -> None:
    send(api, "a very secret order number")
    rows = house.rows("SELECT * FROM idempotency_keys")
    assert len(rows) == 1
    assert "secret" not in repr(rows)


def test_equal_keys_at_the_same_instant_in_two_processes_store_one_message(
    house: House, make_app: MakeApp
) -> None:
    token = house.token()
    processes = [house.app, make_app()]
    clients = [Api(process.test_client(), token) for process in processes * 8]
    with ThreadPoolExecutor(len(clients)) as pool:
        for round_number in range(5):
            key = f"race-{round_number}"
            answers = list(pool.map(lambda api, key=key: send(api, key), clients))
            assert {answer.status_code for answer in answers} == {202}
            assert len({answer.json["id"] for answer in answers}) == 1  # type: ignore[index]
            replays = [answer for answer in answers if "Idempotent-Replayed" in answer.headers]
            assert len(replays) == len(clients) - 1
    assert count(house) == 5
