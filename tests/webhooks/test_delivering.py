"""Webhooks on their way: tries, signatures, rotation, endpoints that fail, hang or are gone."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError
from standardwebhooks import Webhook

from senderkit.client import SenderKitSignatureError
from senderkit.services import webhook_log
from senderkit.services.webhook_results import DELAYS_SECONDS, retry_delay
from senderkit.webhook_calls import THREADS
from tests.fakes_http import Answer, Recorded, Trouble
from tests.fakes_http import FakeProvider as Receiver
from tests.make import Api, House, wait_until
from tests.outbox.conftest import failing
from tests.webhooks.conftest import (
    PATH,
    Endpoint,
    believed,
    is_standard,
    listen,
    rotate,
    send_test,
    standard_headers,
    states,
    switch_off,
    switch_on,
    tell,
    types,
)

HOOK = f"POST {PATH}"


def happen(house: House, api: Api, count: int = 1) -> None:
    """Things that are to be told."""
    for _ in range(count):
        api.send()
    house.deliver()


def retry(house: House, times: int = 1) -> None:
    """Let every try that is waited for come due, one after the other."""
    for _ in range(times):
        house.clock.advance(hours=29)
        tell(house)


# -- the call -----------------------------------------------------------------------------------


def test_a_call_is_believed_by_both_verifiers(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    happen(house, api)
    assert tell(house) == 1

    [request] = receiver.requests
    event = believed(request, endpoint.secret, house.clock())
    headers = request.headers
    assert (event.type, event.id) == ("message.sent", headers["webhook-id"])
    assert Webhook(endpoint.secret).verify(request.body, headers) == event.payload
    assert headers["content-type"] == "application/json"
    assert headers["x-senderkit-event"] == "message.sent"
    [[delivery_id]] = house.rows("SELECT public_id FROM webhook_deliveries")
    assert event.delivery_id == delivery_id
    assert states(house) == [("delivered", 1, None)]
    assert tell(house) == 0


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_enough(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver, status: int
) -> None:
    receiver.answer(HOOK, Answer(status))
    happen(house, api)
    tell(house)
    retry(house)
    assert len(receiver.requests) == 1
    assert states(house) == [("delivered", 1, None)]


def test_a_2xx_whose_body_breaks_off_is_enough(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.answer(HOOK, Answer(200, body=b"thanks", cut_at=2))
    happen(house, api)
    tell(house)
    retry(house)
    assert len(receiver.requests) == 1


TROUBLES = [
    (Answer(500, body=b"oh no"), 500, "oh no", None),
    (Answer(404), 404, "", None),
    (Answer(429, headers={"Retry-After": "1"}), 429, "", None),
    (Answer(302, headers={"Location": "/elsewhere"}), 302, "", None),
    (Trouble.LOSE_REPLY, None, "", "was lost"),
    (Trouble.RESET, None, "", "was lost"),
    (Trouble.RESET_BEFORE_BODY, None, "", "127.0.0.1"),
]


@pytest.mark.parametrize(("trouble", "code", "reply", "words"), TROUBLES)
def test_anything_else_is_tried_again_under_the_same_ids(
    house: House,
    api: Api,
    endpoint: Endpoint,
    receiver: Receiver,
    trouble: Answer | Trouble,
    code: int | None,
    reply: str,
    words: str | None,
) -> None:
    receiver.answer(HOOK, trouble, times=1)
    happen(house, api)
    tell(house)
    assert [state for state, *_ in states(house)] == ["pending"]
    [row] = house.rows("SELECT status_code, reply, error FROM webhook_attempts")
    assert row[:2] == (code, reply)
    assert (row[2] is None) if words is None else (words in row[2])

    house.clock.advance(seconds=6.1)
    assert tell(house) == 1
    assert states(house) == [("delivered", 2, None)]
    assert {r.path for r in receiver.requests} == {PATH}
    seen = [r for r in receiver.requests if "x-senderkit-delivery" in r.headers]
    assert len({(r.headers["x-senderkit-delivery"], r.headers["webhook-id"]) for r in seen}) == 1
    assert len({r.body for r in seen}) == 1


def test_each_attempt_is_signed_anew(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.answer(HOOK, Answer(503))
    happen(house, api)
    signed_at = []
    for _ in range(3):
        tell(house)
        signed_at.append(house.clock())
        house.clock.advance(hours=1)
    for request, at in zip(receiver.requests, signed_at, strict=True):
        assert believed(request, endpoint.secret, at)
        assert is_standard(request, endpoint.secret, at)
        with pytest.raises(SenderKitSignatureError):
            believed(request, endpoint.secret, at + timedelta(minutes=6))


def test_the_log_keeps_the_first_kilobyte_of_an_answer(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.answer(HOOK, Answer(500, body=b"\0\xff" + b"x" * 5000))
    happen(house, api)
    tell(house)
    [[reply]] = house.rows("SELECT reply FROM webhook_attempts")
    assert reply == "\N{REPLACEMENT CHARACTER}" * 2 + "x" * 1022


# -- the schedule -------------------------------------------------------------------------------


def test_the_schedule_is_the_one_that_is_promised() -> None:
    minute, hour = 60, 3600
    promised = [5, 5 * minute, 30 * minute, *(n * hour for n in (2, 5, 10, 14, 20, 24))]
    middle = [retry_delay(tries, lambda low, high: (low + high) / 2) for tries in range(1, 10)]
    assert middle == promised == list(DELAYS_SECONDS)
    assert retry_delay(1, lambda low, _: low) == 4
    assert retry_delay(1, lambda _, high: high) == 6
    assert retry_delay(10, lambda low, _: low) is None


def test_after_ten_tries_it_is_given_up_and_says_so(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.answer(HOOK, Answer(500))
    happen(house, api)
    began = house.clock()
    tries = [tell(house)]
    for delay in DELAYS_SECONDS:
        house.clock.advance(seconds=delay * 0.79)
        assert tell(house) == 0
        house.clock.advance(seconds=delay * 0.42)
        tries.append(tell(house))
    assert tries == [1] * 10
    assert house.clock() - began < timedelta(days=5)
    reason = "All 10 tries failed. The last one: The endpoint answered 500."
    assert states(house) == [("given_up", 10, reason)]
    retry(house, 2)
    assert len(receiver.requests) == 10


# -- rotation -----------------------------------------------------------------------------------


def checking(secret: str, house: House) -> Any:
    """A receiver that knows one secret and refuses whatever is not signed with it."""

    def answer(request: Recorded) -> Answer:
        try:
            believed(request, secret, house.clock())
        except SenderKitSignatureError:
            return Answer(401)
        return Answer(200)

    return answer


@pytest.mark.parametrize("knows", ["old", "new"])
def test_a_rotation_loses_nothing_whichever_secret_a_receiver_knows(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver, knows: str
) -> None:
    rotated = rotate(house, endpoint)
    secret = {"old": endpoint.secret, "new": rotated.secret}[knows]
    receiver.answer(HOOK, checking(secret, house))
    happen(house, api, 5)
    tell(house)
    house.clock.advance(seconds=7)
    tell(house)
    assert {state for state, *_ in states(house)} == {"delivered"}
    for request in receiver.requests:
        headers = standard_headers(request)
        assert len(headers["webhook-signature"].split(" ")) == 2


def test_both_secrets_sign_for_a_day_and_then_only_the_new_one(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    rotated = rotate(house, endpoint)
    house.clock.advance(hours=23)
    happen(house, api)
    tell(house)
    assert is_standard(receiver.requests[-1], endpoint.secret, house.clock())
    house.clock.advance(hours=1)
    happen(house, api)
    tell(house)
    assert not is_standard(receiver.requests[-1], endpoint.secret, house.clock())
    assert is_standard(receiver.requests[-1], rotated.secret, house.clock())
    assert believed(receiver.requests[-1], rotated.secret, house.clock())


# -- endpoints that fail ------------------------------------------------------------------------


def endpoint_row(house: House) -> Any:
    sql = "SELECT is_enabled, disabled_reason, failing_since FROM webhook_endpoints"
    [row] = house.rows(sql)
    return bool(row[0]), row[1], row[2] is not None


def test_410_switches_the_endpoint_off_and_gives_up_what_waits(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.answer(HOOK, Answer(500), times=2)
    happen(house, api, 2)
    tell(house)
    receiver.answer(HOOK, Answer(410))
    happen(house, api, 1)
    tell(house)
    assert endpoint_row(house)[:2] == (False, "It answered 410: it wants no more webhooks.")
    assert [state for state, *_ in states(house)] == ["given_up"] * 3
    retry(house, 3)
    assert len(receiver.requests) == 3


def test_five_days_of_nothing_but_failure_switch_it_off(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.answer(HOOK, Answer(500))
    began = house.clock()
    while endpoint_row(house)[0]:
        happen(house, api)
        tell(house)
        house.clock.advance(hours=6)
    assert timedelta(days=5) <= house.clock() - began < timedelta(days=5.6)
    assert endpoint_row(house)[1].startswith("Every try of the last 5 days failed.")
    assert {state for state, *_ in states(house)} == {"given_up"}


def test_one_success_begins_the_five_days_anew(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.answer(HOOK, Answer(500))
    for _ in range(3):
        happen(house, api)
        tell(house)
        house.clock.advance(days=2)
        if endpoint_row(house)[2]:
            receiver.answer(HOOK, Answer(200), times=1)
    assert endpoint_row(house)[0]
    receiver.answer(HOOK, Answer(200))
    tell(house)
    assert endpoint_row(house) == (True, None, False)


def test_switching_it_on_again_forgets_and_a_replay_brings_what_was_missed(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.answer(HOOK, Answer(410), times=1)
    happen(house, api)
    tell(house)
    [[delivery_id, endpoint_id]] = house.rows(
        "SELECT public_id, endpoint_id FROM webhook_deliveries"
    )
    engine = house.runtime.engine
    assert webhook_log.replay(engine, endpoint_id, delivery_id, now=house.clock()) == 0
    switch_on(house, endpoint)
    assert endpoint_row(house) == (True, None, False)
    assert tell(house) == 0
    assert webhook_log.replay(engine, endpoint_id, delivery_id, now=house.clock()) == 1
    assert tell(house) == 1
    assert states(house) == [("delivered", 2, None)]
    assert len({r.headers["x-senderkit-delivery"] for r in receiver.requests}) == 1


def test_what_is_under_way_when_it_is_switched_off_ends_as_it_ends(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    happen(house, api)

    def answer(_request: Recorded) -> Answer:
        switch_off(house, endpoint)
        return Answer(200)

    receiver.answer(HOOK, answer)
    tell(house)
    assert states(house) == [("delivered", 1, None)]
    assert endpoint_row(house)[:2] == (False, None)


def test_a_test_event_comes_even_to_an_endpoint_that_is_off_and_once(
    house: House, endpoint: Endpoint, receiver: Receiver
) -> None:
    switch_off(house, endpoint)
    receiver.answer(HOOK, Answer(410), times=1)
    send_test(house, endpoint)
    assert tell(house) == 1
    retry(house, 2)
    send_test(house, endpoint)
    tell(house)
    assert types(receiver) == ["webhook.test"] * 2
    assert receiver.requests[0].json["livemode"] is False
    reason = "The endpoint answered 410."
    assert states(house) == [("given_up", 1, reason), ("delivered", 1, None)]
    assert endpoint_row(house) == (False, None, False)


def test_an_address_that_must_not_be_called_is_not_called(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    house.write("UPDATE webhook_endpoints SET url = 'ftp://127.0.0.1/'")
    happen(house, api)
    tell(house)
    [[error]] = house.rows("SELECT error FROM webhook_attempts")
    assert error.startswith("The address to call must begin with")
    assert receiver.connections == 0


def test_a_secret_that_does_not_open_is_told_in_the_log(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    house.write("UPDATE webhook_endpoints SET sealed_secret = :junk", junk=b"junk")
    happen(house, api)
    tell(house)
    [[error]] = house.rows("SELECT error FROM webhook_attempts")
    assert error == "The stored secret does not open: the encryption key has changed."
    assert receiver.connections == 0


# -- one beside the other -----------------------------------------------------------------------


def test_an_endpoint_that_hangs_delays_no_other(house: House, api: Api, receiver: Receiver) -> None:
    receiver.answer("POST /hangs", Trouble.HANG)
    receiver.answer("POST /well", Answer(200))
    listen(house, f"{receiver.url}/hangs")
    listen(house, f"{receiver.url}/well")
    house.runtime.webhooks.start()
    happen(house, api, THREADS)
    wait_until(lambda: len(receiver.requests_to("POST /hangs")) == THREADS)
    began_at = time.monotonic()
    happen(house, api, 3 * THREADS)
    wait_until(lambda: len(receiver.requests_to("POST /well")) == 4 * THREADS)
    assert time.monotonic() - began_at < 10
    assert len(receiver.requests_to("POST /hangs")) == THREADS
    # What waits behind the calls is not claimed: its lease would end before its turn came.
    leased = (
        "SELECT count(*) FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = endpoint_id "
        "WHERE url LIKE '%/hangs' AND (d.attempts > 0 OR lease_token IS NOT NULL)"
    )
    assert house.rows(leased) == [(THREADS,)]
    receiver.answer("POST /hangs", Answer(200))
    receiver.drop_connections()


def test_the_dispatcher_of_messages_wakes_that_of_webhooks(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    house.runtime.start()
    api.send()
    house.runtime.dispatcher.wake()
    wait_until(lambda: states(house) == [("delivered", 1, None)])


def checks(house: House) -> dict[str, bool]:
    found: dict[str, bool] = house.anonymous().get("/readyz").json["checks"]  # type: ignore[index]
    return found


def test_a_loop_that_cannot_turn_makes_readyz_red_and_goes_on(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    house.runtime.start()
    assert checks(house)["webhooks"]

    def is_look(statement: str, _parameters: Any) -> bool:
        return "FROM webhook_endpoints" in statement

    with failing(house, is_look, RuntimeError("a bug")) as seen:
        wait_until(lambda: sum("FROM webhook_endpoints" in statement for statement in seen) >= 2)
        house.clock.advance(seconds=25)
        assert not checks(house)["webhooks"]
    wait_until(lambda: checks(house)["webhooks"])
    api.send()
    house.runtime.dispatcher.wake()
    wait_until(lambda: states(house) == [("delivered", 1, None)])


def test_closing_records_what_is_under_way(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.answer(HOOK, Answer(200, delay_seconds=0.3))
    house.runtime.webhooks.start()
    happen(house, api)
    house.runtime.webhooks.wake()
    wait_until(lambda: receiver.requests)
    house.runtime.webhooks.close()
    assert states(house) == [("delivered", 1, None)]


def test_a_result_is_kept_until_the_database_takes_it(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    happen(house, api)

    def is_result(statement: str, _parameters: Any) -> bool:
        return "INSERT INTO webhook_attempts" in statement

    fault = OperationalError("the disk broke", {}, Exception())
    with failing(house, is_result, fault), pytest.raises(OperationalError):
        tell(house)
    house.clock.advance(hours=2)  # far beyond the lease
    tell(house)
    assert states(house) == [("delivered", 1, None)]
    assert len(receiver.requests) == 1


def test_a_result_that_cannot_be_stored_leaves_the_others_alone(
    house: House, api: Api, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.answer(HOOK, Answer(200, body=b"odd"), times=1)
    happen(house, api, 4)

    def is_odd(statement: str, parameters: Any) -> bool:
        return "INSERT INTO webhook_attempts" in statement and "odd" in repr(parameters)

    with failing(house, is_odd, IntegrityError("odd", {}, Exception())):
        tell(house)
    assert sorted(state for state, *_ in states(house)) == ["delivered"] * 3 + ["pending"]
    house.clock.advance(minutes=2)
    tell(house)
    assert [state for state, *_ in states(house)] == ["delivered"] * 4
