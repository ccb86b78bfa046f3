"""How many requests a key may make: off unless `SENDERKIT_RATE_LIMIT_PER_MINUTE` is set."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from tests.conftest import MakeApp
from tests.make import Api, FakeClock, House

LimitedHouse = Callable[[int], House]


@pytest.fixture
def limited(make_app: MakeApp, clock: FakeClock, house: House) -> LimitedHouse:
    """The same house behind an application that limits keys; its clock stands still."""
    return lambda per_minute: House(make_app(RATE_LIMIT_PER_MINUTE=str(per_minute)), clock)


def answered(api: Api, requests: int) -> int:
    """How many of so many requests at once are answered."""
    statuses = [api.get("/v1/context").status_code for _ in range(requests)]
    assert set(statuses) <= {200, 429}
    return statuses.count(200)


def assert_limited(answer: TestResponse, *, limit: int) -> int:
    """The seconds to wait."""
    assert (answer.status_code, answer.mimetype) == (429, "application/json")
    error = answer.json["error"]  # type: ignore[index]
    assert set(error) == {"code", "message", "limit"}
    assert (error["code"], error["limit"]) == ("rate_limited", limit)
    seconds = answer.headers["Retry-After"]
    assert seconds.isascii()
    assert seconds.isdigit()
    assert 1 <= int(seconds) <= 60
    return int(seconds)


def test_without_the_setting_nothing_is_limited(api: Api) -> None:
    assert answered(api, 300) == 300


def test_a_minute_s_worth_goes_at_once_and_ten_in_any_case(limited: LimitedHouse) -> None:
    for per_minute, burst in {1: 10, 9: 10, 10: 10, 11: 11, 60: 60}.items():
        assert answered(limited(per_minute).api(), burst + 5) == burst, per_minute


def test_the_refusal_says_how_long_to_wait_and_that_is_enough(limited: LimitedHouse) -> None:
    for per_minute, wait in {1: 60, 7: 9, 60: 1, 600: 1}.items():
        house = limited(per_minute)
        api = house.api()
        answered(api, max(10, per_minute))
        for _ in range(3):
            assert assert_limited(api.get("/v1/context"), limit=per_minute) == wait
        house.clock.advance(seconds=wait)
        assert api.get("/v1/context").status_code == 200


def test_a_bucket_refills_as_time_passes_and_never_over_its_size(limited: LimitedHouse) -> None:
    house = limited(60)
    api = house.api()
    answered(api, 60)
    house.clock.advance(seconds=20)
    assert answered(api, 30) == 20
    house.clock.advance(days=1)
    assert answered(api, 70) == 60


def test_each_key_has_its_own(limited: LimitedHouse) -> None:
    house = limited(10)
    first, second = house.api(), house.api("live")
    assert answered(first, 15) == answered(second, 15) == 10


def test_every_request_with_the_key_counts_whatever_its_answer(limited: LimitedHouse) -> None:
    api = limited(10).api(scopes=["read"])
    for path in ("/v1/nothing", "/v1/messages/msg_x", "/v1/context?x=1"):
        api.get(path)
    for method in ("POST", "PUT", "HEAD"):
        api.call(method, "/v1/context")
    api.post("/v1/send", {})
    assert answered(api, 10) == 3
    assert_limited(api.get("/v1/nothing"), limit=10)


def test_requests_without_a_valid_key_take_from_nobody(limited: LimitedHouse) -> None:
    house = limited(10)
    api = house.api()
    for _ in range(20):
        assert house.anonymous().get("/v1/context").status_code == 401
        answer = Api(api.client, f"{api.token}x").get("/v1/context")
        assert answer.status_code == 401
    assert answered(api, 10) == 10


def test_a_limited_send_stores_nothing_and_keeps_its_idempotency_key(
    limited: LimitedHouse,
) -> None:
    house = limited(10)
    api = house.api()
    answered(api, 10)
    body = {"channel": "sms", "to": "+15555550100", "content": {"body": "b"}}
    repeat = {"Idempotency-Key": "k"}
    assert_limited(api.post("/v1/send", body, headers=repeat), limit=10)
    assert house.rows("SELECT count(*) FROM messages") == [(0,)]
    house.clock.advance(minutes=1)
    answer = api.post("/v1/send", body, headers=repeat)
    assert answer.status_code == 202
    assert "Idempotent-Replayed" not in answer.headers
