"""Cases that every provider with an HTTP API must pass, over real sockets.

What a provider answers and reports comes from its bench; what it must mean is decided here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from senderkit.domain import Channel, EmailBody, Envelope, Outgoing
from senderkit.errors import (
    AccountBroken,
    CallbackRefused,
    DeliveryError,
    OutcomeUnknown,
    Refused,
    Unavailable,
)
from senderkit.http_client import USER_AGENT, HttpClient, Timeouts
from senderkit.providers import get_provider
from senderkit.providers.base import Adapter, FieldType
from tests.fakes_http import Answer, Recorded, Trouble
from tests.hostile import Canary
from tests.providers import samples
from tests.providers.benches import BENCHES
from tests.providers.benches.base import SECRET, HttpBench, Refusal, Report, with_headers
from tests.providers.conftest import NOON

HTTP_BENCHES = {name: kind for name, kind in BENCHES.items() if issubclass(kind, HttpBench)}
REFUSALS = [(name, refusal) for name, kind in HTTP_BENCHES.items() for refusal in kind.refusals]
REPORTS = [(name, report) for name, kind in HTTP_BENCHES.items() for report in kind.reports]


def label(value: object) -> str:
    return value.name if isinstance(value, Refusal | Report) else str(value)


@pytest.fixture(params=sorted(HTTP_BENCHES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def http(http_with_sns: HttpClient) -> HttpClient:
    """A client for everything that the benches ask, certificates of Amazon SNS included."""
    return http_with_sns


@pytest.fixture
def bench(name: str) -> Iterator[HttpBench]:
    bench = HTTP_BENCHES[name]()
    with bench.running():
        yield bench


@pytest.fixture
def adapter(name: str, bench: HttpBench, http: HttpClient) -> Iterator[Adapter]:
    with closing(get_provider(name).connect(bench.credentials, lambda: NOON, http)) as adapter:
        yield adapter


@pytest.fixture
def hurried(name: str, bench: HttpBench) -> Iterator[Adapter]:
    """An adapter that does not wait long."""
    client = HttpClient(
        allow_private_addresses=True, timeouts=Timeouts(read_seconds=0.3, total_seconds=1)
    )
    with closing(client):
        yield get_provider(name).connect(bench.credentials, lambda: NOON, client)


@pytest.fixture
def outgoing(name: str, bench: HttpBench) -> Outgoing:
    return bench.message(get_provider(name).channel)


def secrets_of(name: str, bench: HttpBench) -> list[str]:
    """What must never be seen: each secret field, a key file line by line."""
    values = [
        bench.credentials[field.name] for field in get_provider(name).fields if field.is_secret
    ]
    assert all(values), "a bench fills in every secret field"
    return [line for value in values for line in value.splitlines() if line]


def test_a_base_url_means_https_unless_a_person_says_otherwise(name: str) -> None:
    for field in get_provider(name).fields:
        if field.type is FieldType.URL:
            assert field.default.startswith("https://") or not field.is_required


# -- a send ---------------------------------------------------------------------------------------


def test_one_message_is_one_request(
    name: str, adapter: Adapter, bench: HttpBench, outgoing: Outgoing
) -> None:
    adapter.send(outgoing)
    [request] = bench.sends
    assert request.headers["user-agent"] == USER_AGENT
    assert int(request.headers["content-length"]) == len(request.body)
    assert not [secret for secret in secrets_of(name, bench) if secret in request.target]


def test_many_messages_share_a_connection(
    adapter: Adapter, bench: HttpBench, outgoing: Outgoing
) -> None:
    for _ in range(10):
        adapter.send(outgoing)
    assert (bench.accepted(), bench.server.connections) == (10, 1)


def test_a_base_url_may_have_a_path_and_end_in_a_slash(
    name: str, bench: HttpBench, outgoing: Outgoing, http: HttpClient
) -> None:
    if "base_url" not in bench.credentials:
        return
    method, path = bench.sending.split(" ")
    bench.server.answer(f"{method} /proxy{path}", bench.accepts)
    moved = bench.credentials | {"base_url": f"{bench.server.url}/proxy/"}
    get_provider(name).connect(moved, lambda: NOON, http).send(outgoing)
    assert len(bench.server.requests_to(f"{method} /proxy{path}")) == 1


# -- answers that are no success ------------------------------------------------------------------


@pytest.mark.parametrize(("name", "refusal"), REFUSALS, ids=label)
def test_each_documented_refusal_means_what_it_says(
    refusal: Refusal, name: str, adapter: Adapter, bench: HttpBench, outgoing: Outgoing
) -> None:
    bench.arrange_answer(refusal.answer)
    with pytest.raises(DeliveryError) as raised:
        adapter.send(outgoing)
    assert type(raised.value) is refusal.means
    assert str(raised.value).startswith(get_provider(name).label)


def test_the_reason_is_shown_in_the_providers_words(
    adapter: Adapter, bench: HttpBench, outgoing: Outgoing
) -> None:
    bench.arrange_answer(bench.error("The 'ada' in it is unheard of"))
    with pytest.raises(Refused, match="The 'ada' in it is unheard of"):
        adapter.send(outgoing)


@pytest.mark.parametrize(
    ("value", "seconds"), [("30", 30), ("Mon, 02 Mar 2026 12:01:00 GMT", 60), ("soon", None)]
)
def test_too_many_requests_are_put_off_for_as_long_as_the_provider_asks(
    value: str, seconds: float | None, adapter: Adapter, bench: HttpBench, outgoing: Outgoing
) -> None:
    bench.arrange_answer(with_headers(bench.rate_limited, Retry_After=value))
    with pytest.raises(Unavailable) as raised:
        adapter.send(outgoing)
    assert raised.value.retry_after_seconds == seconds


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize("body", [b"", b"<html><h1>Bad gateway</h1>", b"[1]", b'{"x": {}}'])
def test_a_provider_in_trouble_is_tried_again(
    status: int, body: bytes, adapter: Adapter, bench: HttpBench, outgoing: Outgoing
) -> None:
    bench.arrange_answer(Answer(status, body=body, headers={"Content-Type": "text/html"}))
    with pytest.raises(Unavailable, match=str(status)) as raised:
        adapter.send(outgoing)
    assert "<" not in str(raised.value)


def test_wrong_credentials_break_the_account(
    name: str, bench: HttpBench, outgoing: Outgoing, http: HttpClient
) -> None:
    if bench.message_names_server:
        return
    wrong = get_provider(name).connect(bench.wrong_credentials(), lambda: NOON, http)
    with pytest.raises(AccountBroken):
        wrong.send(outgoing)
    assert bench.accepted() == 0


@pytest.mark.parametrize("status", [401, 403])
def test_a_bare_refusal_of_the_credentials_breaks_the_account(
    status: int, adapter: Adapter, bench: HttpBench, outgoing: Outgoing
) -> None:
    bench.arrange_answer(Answer(status))
    with pytest.raises(Refused if bench.message_names_server else AccountBroken):
        adapter.send(outgoing)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_breaks_the_account_and_is_not_followed(
    status: int, adapter: Adapter, bench: HttpBench, outgoing: Outgoing, canary: Canary
) -> None:
    location = f"http://127.0.0.1:{canary.port}/"
    bench.arrange_answer(Answer(status, headers={"Location": location}))
    with pytest.raises(Refused if bench.message_names_server else AccountBroken):
        adapter.send(outgoing)
    assert canary.heard() == 0


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>Welcome to the hotel</html>", b"OK", b"null", b"[]", b"{}", b"1", b"true"),
        *(b'{"id": {}}', b'{"MessageID": null}', b"[" * 50_000, b"\xff\xfe", b'"\\ud800"'),
    ],
)
def test_a_success_in_words_that_are_not_the_providers_is_in_doubt(
    body: bytes, adapter: Adapter, bench: HttpBench, outgoing: Outgoing
) -> None:
    if bench.success_says_nothing:
        return
    bench.arrange_answer(Answer(200, body=body))
    with pytest.raises(OutcomeUnknown):
        adapter.send(outgoing)


@pytest.mark.parametrize("status", [400, 500])
def test_an_enormous_error_still_has_a_readable_reason(
    status: int, adapter: Adapter, bench: HttpBench, outgoing: Outgoing
) -> None:
    kind = {"Content-Type": "text/plain"}
    bench.arrange_answer(Answer(status, body=b"no way " * 800_000, headers=kind))
    with pytest.raises(DeliveryError, match="no way no way") as raised:
        adapter.send(outgoing)
    assert len(str(raised.value)) <= 500


# -- what the network does ------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [Trouble.LOSE_REPLY, Trouble.RESET, Trouble.HANG])
def test_a_lost_reply_leaves_the_outcome_unknown_and_nothing_is_sent_again(
    trouble: Trouble, hurried: Adapter, bench: HttpBench, outgoing: Outgoing
) -> None:
    bench.arrange_answer(trouble)
    with pytest.raises(OutcomeUnknown):
        hurried.send(outgoing)
    assert len(bench.sends) == 1


def test_half_a_success_leaves_the_outcome_unknown(
    adapter: Adapter, bench: HttpBench, outgoing: Outgoing
) -> None:
    bench.arrange_answer(Answer(200, body=b'{"' + b"x" * 100, cut_at=50))
    with pytest.raises(OutcomeUnknown):
        adapter.send(outgoing)


@pytest.mark.parametrize("trouble", [Trouble.LOSE_REPLY, Trouble.HANG])
def test_a_check_that_gets_no_answer_finds_the_provider_unavailable(
    trouble: Trouble, hurried: Adapter, bench: HttpBench
) -> None:
    if bench.message_names_server:
        return
    bench.server.answer("* *", trouble)
    with pytest.raises(Unavailable):
        hurried.check()


# -- secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 422, 429, 500])
@pytest.mark.parametrize("is_plain", [False, True])
def test_a_provider_that_repeats_what_it_was_told_gives_no_secret_away(
    status: int,
    is_plain: bool,
    name: str,
    adapter: Adapter,
    bench: HttpBench,
    outgoing: Outgoing,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if bench.success_says_nothing and status == 200:
        return
    caplog.set_level(logging.DEBUG)
    secrets = secrets_of(name, bench)

    def echo(request: Recorded) -> Answer:
        heard = f"{request.head.decode('latin-1')} {bench.credentials}"
        if login := request.headers.get("authorization"):
            secrets.append(login.split()[-1])
        answer = replace(bench.error(heard), status=status)
        plain = Answer(status, body=heard.encode(), headers={"Content-Type": "text/plain"})
        return plain if is_plain else answer

    bench.arrange_answer(echo)
    with pytest.raises(DeliveryError) as raised:
        adapter.send(outgoing)
    for text in (str(raised.value), str(raised.getrepr(style="native")), caplog.text):
        assert not [secret for secret in secrets if secret in text]


# -- addresses ------------------------------------------------------------------------------------


def test_an_address_that_is_not_called_names_the_setting_that_allows_it(
    name: str, bench: HttpBench
) -> None:
    given, message = bench.aimed_at("https://10.0.0.1", get_provider(name).channel)
    with closing(HttpClient()) as guarded:
        adapter = get_provider(name).connect(given, lambda: NOON, guarded)
        with pytest.raises(DeliveryError, match="SENDERKIT_ALLOW_PRIVATE_ADDRESSES=1"):
            adapter.send(message)


# -- injection ------------------------------------------------------------------------------------

BREAKS = ["\r\n", "\n", "\r", "\x00", "\u2028", "\x0b", "\x85"]


def sneaky_emails(sneaky: str) -> list[dict[str, Any]]:
    [_, logo, notes] = samples.FULL_EMAIL["attachments"]
    return [
        {"recipient": f"{sneaky} <ada@example.com>"},
        {"recipient": f"ada@example.com{sneaky}"},
        {"body": EmailBody(sneaky, "<p>x</p>", "x")},
        {"envelope": Envelope(from_address=f"{sneaky} <a@b.example>")},
        {"envelope": Envelope(from_name=sneaky)},
        {"envelope": Envelope(cc=(f"{sneaky} <a@b.example>",))},
        {"envelope": Envelope(bcc=(f"{sneaky} <a@b.example>",))},
        {"envelope": Envelope(reply_to=f"{sneaky} <a@b.example>")},
        {"headers": {"X-Extra": sneaky}},
        {"headers": {f"X-Extra{sneaky}": "x"}},
        {"message_id": sneaky},
        {"list_unsubscribe_url": f"https://acme.example/u{sneaky}"},
        {"attachments": (replace(notes, filename=sneaky),)},
        {"attachments": (replace(notes, content_type=f"text/plain{sneaky}"),)},
        {"attachments": (replace(logo, content_id=sneaky),)},
    ]


@pytest.mark.parametrize("break_", BREAKS, ids=repr)
def test_a_line_break_in_what_becomes_a_header_never_leaves(
    break_: str, name: str, adapter: Adapter, bench: HttpBench
) -> None:
    if get_provider(name).channel is not Channel.EMAIL:
        return
    for changes in sneaky_emails(f"x{break_}Bcc: eve@evil.example"):
        with pytest.raises(Refused):
            adapter.send(samples.outgoing(Channel.EMAIL, **changes))
    assert bench.sends == []


HOSTILE_TEXT = (
    '"}\\\r\n.\r\nBcc: eve@evil.example\r\n\r\n--boundary\r\n&to=+1555&a[b]=%0d%0a'
    "\u2028\u0000\x1b\ufeff {{x}} ${x} <!ENTITY x> 👋"
)


def test_hostile_words_change_no_byte_outside_their_own_place(
    name: str, adapter: Adapter, bench: HttpBench
) -> None:
    channel = get_provider(name).channel
    adapter.send(bench.message(channel))
    body: Any = bench.message(channel).body
    words = "text" if channel is Channel.EMAIL else "body"
    adapter.send(bench.message(channel, body=replace(body, **{words: HOSTILE_TEXT})))
    plain, hostile = bench.sends
    assert hostile.lines[0] == plain.lines[0]
    assert list(hostile.headers) == list(plain.headers)


# -- callbacks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "report"), REPORTS, ids=label)
def test_each_documented_report_becomes_its_events_however_often_it_comes(
    report: Report, adapter: Adapter, bench: HttpBench
) -> None:
    for _ in range(2):
        assert list(adapter.events_from(bench.authentic(report.body))) == list(report.events)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"null", b"[]", b"[null, 1, []]", b'"x"', b"1", b"{}", b"[{}]", b"a=b&c"),
        *(b"[" * 50_000, b"\xff", b'{"RecordType": []}', b'{"type": {}, "event": [1]}'),
        b'{"RecordType": "Delivery", "MessageID": {}, "Metadata": 5, "DeliveredAt": []}',
    ],
)
def test_an_authentic_callback_in_other_words_never_raises(
    body: bytes, adapter: Adapter, bench: HttpBench
) -> None:
    if bench.reports:
        for event in adapter.events_from(bench.authentic(body)):
            assert event.provider_message_id is None


def test_a_callback_that_does_not_prove_itself_is_refused(
    adapter: Adapter, bench: HttpBench
) -> None:
    for report in bench.reports:
        for forged in bench.forgeries(report.body):
            with pytest.raises(CallbackRefused) as raised:
                adapter.events_from(forged)
            assert SECRET not in str(raised.value)


def test_a_connection_without_a_secret_takes_no_callback(
    name: str, bench: HttpBench, http: HttpClient
) -> None:
    provider = get_provider(name)
    required = {field.name for field in provider.fields if field.is_required}
    bare = {name: value for name, value in bench.credentials.items() if name in required}
    adapter = provider.connect(bare, lambda: NOON, http)
    for report in bench.reports:
        callback = bench.authentic(report.body)
        signed = () if bench.signs_with_account_secret else (callback.headers,)
        for headers in (*signed, {}, {"authorization": "Basic Og=="}):
            with pytest.raises(CallbackRefused):
                adapter.events_from(replace(callback, headers=headers))
