"""What is decided about a call, without a socket: retries, waits, and the error in the end."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from senderkit.client import errors
from senderkit.client.errors import (
    AuthenticationError,
    SenderKitApiError,
    SenderKitAuthenticationError,
    SenderKitConflictError,
    SenderKitError,
    SenderKitNetworkError,
    SenderKitPaymentRequiredError,
    SenderKitPermissionError,
    SenderKitRateLimitError,
    SenderKitTimeoutError,
    SenderKitValidationError,
)
from senderkit.client.exchange import Call, Exchange, Fault, Outcome, Reply, retry_after

UNREACHED = Fault(SenderKitNetworkError("refused"), may_have_arrived=False)
CUT_OFF = Fault(SenderKitNetworkError("reset"), may_have_arrived=True)
LATE = Fault(SenderKitTimeoutError("late"), may_have_arrived=True)

KINDS: dict[int, type[SenderKitApiError]] = {
    400: SenderKitValidationError,
    401: SenderKitAuthenticationError,
    402: SenderKitPaymentRequiredError,
    403: SenderKitPermissionError,
    409: SenderKitConflictError,
    422: SenderKitValidationError,
    429: SenderKitRateLimitError,
}


def reply(status: int, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, b'{"error": {"code": "x", "message": "So it is."}}')


def call(*, is_repeatable: bool = True) -> Call[Any]:
    return Call("POST", "/v1/send", lambda reply: reply.json(), is_repeatable=is_repeatable)


def waits(outcome: Outcome, *, roll: float = 1.0, retries: int = 20) -> Iterator[float | None]:
    exchange = Exchange(call(), retries, lambda: roll)
    return iter(lambda: exchange.wait_after(outcome), None)


def is_retried(outcome: Outcome, *, is_repeatable: bool = True) -> bool:
    return Exchange(call(is_repeatable=is_repeatable), 1).wait_after(outcome) is not None


def test_only_what_may_pass_is_tried_again() -> None:
    retried = [status for status in range(200, 600) if is_retried(reply(status))]

    assert retried == [429, *(status for status in range(500, 600) if status != 501)]
    assert all(map(is_retried, (UNREACHED, CUT_OFF, LATE)))


def test_what_must_not_happen_twice_is_tried_again_only_when_nothing_was_done() -> None:
    retried = [s for s in range(200, 600) if is_retried(reply(s), is_repeatable=False)]

    assert retried == [429, 503]
    assert is_retried(UNREACHED, is_repeatable=False)
    assert not is_retried(CUT_OFF, is_repeatable=False)
    assert not is_retried(LATE, is_repeatable=False)


@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_there_are_as_many_retries_as_allowed(retries: int) -> None:
    assert len(list(waits(reply(503), retries=retries))) == retries


def test_waits_double_up_to_five_seconds() -> None:
    assert list(waits(CUT_OFF, retries=7)) == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_jitter_is_full() -> None:
    assert list(waits(CUT_OFF, roll=0.0, retries=3)) == [0.0, 0.0, 0.0]
    assert list(waits(CUT_OFF, roll=0.5, retries=3)) == [0.125, 0.25, 0.5]


def test_retry_after_is_waited_for_first_and_capped() -> None:
    assert next(waits(reply(429, retry_after="7"), roll=0.0)) == 7.0
    assert next(waits(reply(503, retry_after="7"), roll=1.0)) == 7.25
    assert next(waits(reply(429, retry_after="86400"), roll=0.0)) == 60.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("60", 60.0),
        ("1.5", 1.5),
        (" 3 ", 3.0),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("inf", None),
        ("Tue, 24 Nov 2026 10:00:30 GMT", 30.0),
        ("Tue, 24 Nov 2026 09:59:30 GMT", 0.0),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str, seconds: float | None) -> None:
    date = "Tue, 24 Nov 2026 10:00:00 GMT"

    assert retry_after(reply(429, retry_after=text, date=date)) == seconds


def test_a_date_without_a_date_to_compare_with_is_no_hint() -> None:
    assert retry_after(reply(429, retry_after="Tue, 24 Nov 2026 10:00:30 GMT")) is None


# -- errors -------------------------------------------------------------------------------------


def raised(outcome: Outcome) -> SenderKitError:
    with pytest.raises(SenderKitError) as caught:
        Exchange(call(), 0).result_of(outcome)
    return caught.value


@pytest.mark.parametrize("status", [*range(300, 309), *range(400, 430), *range(500, 512)])
def test_each_status_has_its_error(status: int) -> None:
    error = raised(reply(status, x_request_id="req_1"))

    assert type(error) is KINDS.get(status, SenderKitApiError)
    assert isinstance(error, SenderKitApiError)
    assert (error.status, error.code, str(error)) == (status, "x", "So it is.")
    assert (error.issues, error.request_id) == ([], "req_1")


def test_a_fault_is_its_own_error() -> None:
    assert raised(LATE) is LATE.error
    assert raised(CUT_OFF) is CUT_OFF.error


def test_401_and_403_are_told_apart_and_have_a_common_base() -> None:
    assert issubclass(SenderKitAuthenticationError, AuthenticationError)
    assert issubclass(SenderKitPermissionError, AuthenticationError)
    assert not issubclass(SenderKitPermissionError, SenderKitAuthenticationError)
    assert not issubclass(SenderKitAuthenticationError, SenderKitPermissionError)


def test_the_tree_is_as_documented() -> None:
    tree = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, SenderKitError) and kind.__name__ == name
    }

    assert tree == {
        "SenderKitError": "Exception",
        "SenderKitApiError": "SenderKitError",
        "AuthenticationError": "SenderKitApiError",
        "SenderKitAuthenticationError": "AuthenticationError",
        "SenderKitPermissionError": "AuthenticationError",
        "SenderKitValidationError": "SenderKitApiError",
        "SenderKitPaymentRequiredError": "SenderKitApiError",
        "SenderKitConflictError": "SenderKitApiError",
        "SenderKitRateLimitError": "SenderKitApiError",
        "SenderKitTimeoutError": "SenderKitError",
        "SenderKitNetworkError": "SenderKitError",
        "SenderKitSignatureError": "SenderKitError",
    }
    assert all(f"── {name} " in (errors.__doc__ or "") for name in tree if name != "SenderKitError")


def test_a_rate_limit_says_when_to_come_back() -> None:
    body = b'{"error": {"code": "rate_limited", "message": "Too many.", "limit": 60}}'
    error = raised(Reply(429, {"retry-after": "90"}, body))

    assert isinstance(error, SenderKitRateLimitError)
    assert (error.retry_after, error.limit) == (90.0, 60)


def test_a_traceback_shows_every_bad_field_and_the_request() -> None:
    issues = b'[{"code": "required", "path": ["content", "html"], "message": "Is required."}]'
    body = b'{"error": {"code": "invalid_request", "message": "No.", "issues": %s}}' % issues
    error = raised(Reply(400, {"x-request-id": "req_7"}, body))

    assert error.__notes__ == [
        "content.html: Is required.",
        "HTTP 400, invalid_request, request req_7",
    ]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"error": "no"}', b"\xff"])
def test_an_error_of_something_in_between_is_told_as_such(body: bytes) -> None:
    error = raised(Reply(502, {}, body))

    assert isinstance(error, SenderKitApiError)
    assert (error.status, error.code) == (502, None)
    assert "502" in str(error)


def test_a_redirect_is_not_followed_but_told() -> None:
    error = raised(Reply(301, {"location": "https://new.example/"}, b""))

    assert "https://new.example/" in str(error)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff"])
def test_a_success_that_is_none_of_ours_is_an_error(body: bytes) -> None:
    error = raised(Reply(200, {}, body))

    assert isinstance(error, SenderKitApiError)
    assert "base URL" in str(error)


@pytest.mark.parametrize("kind", dict.fromkeys(KINDS.values()))
def test_an_error_that_was_made_by_name_has_its_usual_status(
    kind: type[SenderKitApiError],
) -> None:
    assert KINDS[kind("x").status] is kind


@pytest.mark.parametrize("status", [*KINDS, 404, 500])
def test_errors_survive_pickling(status: int) -> None:
    error = raised(reply(status, retry_after="3", x_request_id="req_1"))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
