"""Cases that every registered provider must pass; `test_http_contract.py` has more for those over
HTTP. A new provider adds a bench: how its fake server is set up for each outcome."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from senderkit.domain import Attachment, Channel, Envelope, Outgoing
from senderkit.errors import (
    AccountBroken,
    DeliveryError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    Refused,
    Unavailable,
    Unsupported,
)
from senderkit.http_client import HttpClient
from senderkit.providers import PROVIDERS, get_provider
from senderkit.providers.base import Adapter, Capability, FieldType
from tests.providers import samples
from tests.providers.benches import BENCHES
from tests.providers.benches.base import SECRET, Bench
from tests.providers.conftest import NOON, MakeEmail


@pytest.fixture(params=sorted(BENCHES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(name: str) -> Iterator[Bench]:
    bench = BENCHES[name]()
    with bench.running():
        yield bench


@pytest.fixture
def adapter(name: str, bench: Bench, http: HttpClient) -> Iterator[Adapter]:
    with closing(get_provider(name).connect(bench.credentials, lambda: NOON, http)) as adapter:
        yield adapter


@pytest.fixture
def outgoing(name: str, bench: Bench) -> Outgoing:
    return bench.message(get_provider(name).channel)


def test_every_registered_provider_has_a_bench() -> None:
    assert set(BENCHES) == set(PROVIDERS)


def test_a_provider_is_registered_under_its_own_name(name: str) -> None:
    assert get_provider(name).name == name


def test_an_unknown_provider_is_not_found() -> None:
    with pytest.raises(NotFound):
        get_provider("pigeon")


def test_every_field_explains_itself(name: str) -> None:
    fields = get_provider(name).fields
    assert len({field.name for field in fields}) == len(fields)
    for field in fields:
        assert field.label
        assert field.help.endswith(".")
        assert bool(field.choices) == (field.type is FieldType.CHOICE)
        assert not field.choices or field.default in field.choices


def test_it_says_where_it_reports_to_or_that_it_does_not(name: str) -> None:
    words = get_provider(name).callback_help
    assert words.endswith(".")
    assert 100 < len(words) < 450
    reports = getattr(BENCHES[name], "reports", ())
    assert bool(reports) == ("this address" in words)


def test_it_says_whether_it_reports_by_callback(name: str, adapter: Adapter) -> None:
    takes_callbacks = type(adapter).events_from is not Adapter.events_from
    assert get_provider(name).reports_by_callback == takes_callbacks


def test_secrets_that_it_makes_up_are_valid_and_new_each_time(name: str) -> None:
    provider = get_provider(name)
    made = provider.new_secrets()
    assert bool(made) == bool(provider.makes)
    assert set(made) <= {field.name for field in provider.fields if field.is_secret}
    provider.validate(BENCHES[name]().credentials | made)
    assert not set(made.values()) & set(provider.new_secrets().values())


def test_what_it_shows_of_a_connection_is_no_secret(name: str) -> None:
    provider, credentials = get_provider(name), BENCHES[name]().credentials
    secrets = [credentials.get(field.name) for field in provider.fields if field.is_secret]
    for fact in provider.public_facts(provider.validate(credentials)):
        assert fact.label
        assert fact.help.endswith(".")
        assert not [secret for secret in secrets if secret and secret in fact.value]
    assert provider.public_facts({}) == ()


def test_every_problem_of_the_credentials_is_named_at_once_and_no_value(name: str) -> None:
    provider = get_provider(name)
    given = {field.name: "\x00" + SECRET for field in provider.fields} | {SECRET: "?"}
    with pytest.raises(InvalidRequest) as raised:
        provider.validate(given)
    named = {issue.path[0] for issue in raised.value.issues}
    assert named == set(given)
    shown = [raised.value.message, *(issue.message for issue in raised.value.issues)]
    assert not any(SECRET in text for text in shown)


def test_required_fields_are_required(name: str) -> None:
    provider = get_provider(name)
    needed = {f.name for f in provider.fields if f.is_required and not f.default}
    if not needed:
        provider.validate({})
        return
    with pytest.raises(InvalidRequest) as raised:
        provider.validate({})
    assert {issue.path[0] for issue in raised.value.issues} == needed


def test_validated_credentials_hold_every_field_and_validate_again(name: str) -> None:
    provider = get_provider(name)
    values = provider.validate(BENCHES[name]().credentials)
    assert set(values) == {field.name for field in provider.fields}
    assert provider.validate(values) == values


def test_credentials_that_have_gone_bad_break_the_account(name: str, http: HttpClient) -> None:
    with pytest.raises(AccountBroken, match="not valid"):
        get_provider(name).connect({"of_yesterday": "x"}, lambda: NOON, http)


def test_an_accepted_message_gives_a_receipt(
    adapter: Adapter, bench: Bench, outgoing: Outgoing
) -> None:
    assert adapter.send(outgoing).provider_message_id
    assert bench.accepted() == 1


@pytest.mark.parametrize("outcome", [Unavailable, Refused, AccountBroken])
def test_each_outcome_is_told_apart_and_shows_no_secret(
    outcome: type[DeliveryError], adapter: Adapter, bench: Bench, outgoing: Outgoing
) -> None:
    if outcome is AccountBroken and bench.message_names_server:
        return
    bench.arrange(outcome)
    with pytest.raises(outcome) as raised:
        adapter.send(outgoing)
    text = str(raised.value)
    assert SECRET not in text
    assert text.isprintable()
    assert len(text) <= 500
    assert bench.accepted() == 0


def test_a_lost_reply_leaves_the_outcome_unknown_and_sends_once(
    adapter: Adapter, bench: Bench, outgoing: Outgoing
) -> None:
    bench.arrange(OutcomeUnknown)
    with pytest.raises(OutcomeUnknown):
        adapter.send(outgoing)
    assert bench.accepted() == 1


def test_an_adapter_recovers_from_each_outcome(
    adapter: Adapter, bench: Bench, outgoing: Outgoing
) -> None:
    adapter.send(outgoing)
    bench.arrange(Refused)
    with pytest.raises(Refused):
        adapter.send(outgoing)
    adapter.check()


def test_a_place_where_nobody_listens_is_unavailable(
    name: str, bench: Bench, outgoing: Outgoing, http: HttpClient
) -> None:
    if bench.message_names_server:
        return
    nobody = bench.nobody_there()
    with closing(get_provider(name).connect(nobody, lambda: NOON, http)) as adapter:
        for call in (adapter.check, lambda: adapter.send(outgoing)):
            with pytest.raises(Unavailable):
                call()


def test_a_check_tells_right_from_wrong_credentials_and_sends_nothing(
    name: str, adapter: Adapter, bench: Bench, http: HttpClient
) -> None:
    adapter.check()
    assert bench.accepted() == 0
    if bench.message_names_server:
        return
    wrong = get_provider(name).connect(bench.wrong_credentials(), lambda: NOON, http)
    with closing(wrong), pytest.raises(AccountBroken):
        wrong.check()
    assert bench.accepted() == 0


@pytest.mark.parametrize("channel", list(Channel))
def test_a_message_of_another_channel_is_not_supported(
    channel: Channel, name: str, adapter: Adapter, bench: Bench
) -> None:
    if channel is not get_provider(name).channel:
        with pytest.raises(Unsupported):
            adapter.send(samples.outgoing(channel))
        assert bench.accepted() == 0


FEATURES: dict[Capability, dict[str, Any]] = {
    Capability.ATTACHMENTS: {"attachments": (Attachment("a.txt", "text/plain", b"x"),)},
    Capability.COPIES: {"envelope": Envelope(cc=("bo@example.com",), bcc=("cy@example.com",))},
    Capability.LIST_UNSUBSCRIBE: {"list_unsubscribe_url": "https://acme.example/u/1"},
}


@pytest.mark.parametrize("capability", list(Capability))
def test_what_a_provider_claims_it_can_do_it_does_and_nothing_else(
    capability: Capability, name: str, adapter: Adapter, bench: Bench, make_email: MakeEmail
) -> None:
    message = make_email(**FEATURES[capability])
    if get_provider(name).channel is not Channel.EMAIL:
        assert capability not in get_provider(name).capabilities
    elif capability in get_provider(name).capabilities:
        assert adapter.send(message).detail is None
        assert bench.accepted() == 1
    else:
        with pytest.raises(Unsupported):
            adapter.send(message)


def test_nothing_that_is_printed_of_an_adapter_holds_a_secret(adapter: Adapter) -> None:
    parts = [adapter, *vars(adapter).values()]
    assert not any(SECRET in f"{part!r}{part!s}" for part in parts)


def test_a_closed_adapter_may_be_closed_again(adapter: Adapter, outgoing: Outgoing) -> None:
    adapter.send(outgoing)
    adapter.close()
    adapter.close()
