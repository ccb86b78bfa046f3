"""Who a message is for, on each channel."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from senderkit.commands import check_recipient
from senderkit.domain import Channel
from senderkit.errors import InvalidRequest

POINT = base64.urlsafe_b64encode(b"\x04" + bytes(range(64))).decode().rstrip("=")
AUTH = base64.urlsafe_b64encode(bytes(16)).decode().rstrip("=")
ENDPOINT = "https://push.example.com/send/abc?x=1"


def subscription(**changes: Any) -> str:
    whole = {"endpoint": ENDPOINT, "keys": {"p256dh": POINT, "auth": AUTH}, "expirationTime": None}
    return json.dumps(whole | changes)


def refusal(channel: Channel, to: str) -> str:
    with pytest.raises(InvalidRequest) as caught:
        check_recipient(channel, to)
    assert {issue.path for issue in caught.value.issues} == {("to",)}
    assert caught.value.code == "invalid_request"
    return caught.value.issues[0].message


@pytest.mark.parametrize(
    ("to", "text", "key"),
    [
        ("ada@example.com", "ada@example.com", "ada@example.com"),
        ("Ada.L+tag@Example.COM", "Ada.L+tag@Example.COM", "ada.l+tag@example.com"),
        ("Ada Lovelace <Ada@Example.com>", "Ada Lovelace <Ada@Example.com>", "ada@example.com"),
        ("<ada@example.com>", "ada@example.com", "ada@example.com"),
        ("Ada<ada@example.com>", "Ada <ada@example.com>", "ada@example.com"),
        ("Dr. O'Neil <o@example.com>", "Dr. O'Neil <o@example.com>", "o@example.com"),
        ("Zoë 🎉 <zoe@example.com>", "Zoë 🎉 <zoe@example.com>", "zoe@example.com"),
        ('"Lovelace, Ada" <a@example.com>', '"Lovelace, Ada" <a@example.com>', "a@example.com"),
        ("Bob (Sales) <b@example.com>", '"Bob (Sales)" <b@example.com>', "b@example.com"),
        ("a@x.example <b@example.com>", '"a@x.example" <b@example.com>', "b@example.com"),
        ("ann@bücher.example", "ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@XN--bcher-kva.example", "ann@XN--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("jürgen@example.com", "jürgen@example.com", "jürgen@example.com"),
        ("failed@simulator.senderkit.test", "failed@simulator.senderkit.test", None),
        ("a@mail.local", "a@mail.local", None),
        ("a@host.localhost", "a@host.localhost", None),
        ("a@example.invalid", "a@example.invalid", None),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com", None),
    ],
)
def test_an_address_is_kept_as_given_and_compared_bare(to: str, text: str, key: str | None) -> None:
    recipient = check_recipient(Channel.EMAIL, to)
    assert (recipient.text, recipient.key) == (text, key or text)


@pytest.mark.parametrize(
    "to",
    [
        *("", " ", "ada", "ada@", "@example.com", "ada@@example.com", "ada@example..com"),
        *("ada @example.com", " ada@example.com", "ada@example.com ", "ada@example.com>"),
        *("ada@localhost", "ada@1.2.3.4", "ada@[127.0.0.1]", "ada@-x.example", "ada@exa_mple.com"),
        *('"a b"@example.com', "a..b@example.com", ".a@example.com", "a" * 65 + "@example.com"),
        *("a@b.example, c@d.example", "a@b.example;c@d.example", "a@b.example c@d.example"),
        *("a@b.example, Ada <c@d.example>", "Ada, L <c@d.example>", "Ada <a@b.example> <c@d.e>"),
        *(
            'Ada" <a@b.example>',
            'A "B" C <a@b.example>',
            "A\\ <a@b.example>",
            '"A\\" <a@b.example>',
        ),
        *("Ada <ada>", "Ada <>", "Ada <<a@b.example>>", "<>", ">", "Ada a@b.example"),
        *("a@b.example\r\nBcc: c@d.example", "A\r\nBcc: c@d.e <a@b.example>", "A\n <a@b.example>"),
        *("A\0 <a@b.example>", "A\u2028 <a@b.example>", "A\u2029 <a@b.example>", "a\0@b.example"),
        *("A\x85 <a@b.example>", "A\x1b <a@b.example>", "A\ud800 <a@b.example>", "a\ud800@b.c.de"),
        *("N" * 129 + " <a@b.example>", "a@" + "b." * 125 + "example", "a" * 10_000 + "@b.example"),
        *("a@" + "b" * 64 + ".example", "a@xn--0.example", "a\u202e@b.example", "a@b\u3002"),
    ],
)
def test_what_is_no_single_address_is_refused(to: str) -> None:
    assert refusal(Channel.EMAIL, to)


@pytest.mark.parametrize(
    "to", ["+15555550100", "+447911123456", "+441632960961", "+4930901820", "+390669812345"]
)
def test_an_e164_number_is_kept(to: str) -> None:
    recipient = check_recipient(Channel.SMS, to)
    assert (recipient.text, recipient.key) == (to, to)


def test_a_national_zero_is_taken_out_of_a_number() -> None:
    assert check_recipient(Channel.SMS, "+4407911123456").key == "+447911123456"


@pytest.mark.parametrize(
    "to",
    [
        *("", "+", "15555550100", "005555550100", "+1 555 555 0100", "+1-555-555-0100", "+1555"),
        *(
            "+15550100",
            "+1555555010000",
            "+999123456789",
            "+0123456789",
            "+\u0661" + "5" * 10,
            "ada@b.c",
        ),
        *("+15555550100\n", "+15555550100;ext=1", "tel:+15555550100", "+" + "1" * 100_000),
    ],
)
def test_what_is_no_possible_number_is_refused(to: str) -> None:
    assert refusal(Channel.SMS, to)


@pytest.mark.parametrize("to", ["a" * 64, "ExponentPushToken[abc-1_2]", "x:APA91b_-", "t" * 4_096])
def test_a_device_token_is_kept(to: str) -> None:
    recipient = check_recipient(Channel.PUSH, to)
    assert (recipient.text, recipient.key) == (to, to)


@pytest.mark.parametrize("to", ["", " ", "a b", "a\n", "a\0", "a\u2028", "tökén", "t" * 4_097])
def test_what_is_no_device_token_is_refused(to: str) -> None:
    assert refusal(Channel.PUSH, to)


@pytest.mark.parametrize(
    "to",
    [
        subscription(),
        json.dumps(json.loads(subscription()), indent=2),
        subscription(keys={"p256dh": POINT + "=", "auth": AUTH + "==", "other": 1}),
        subscription(endpoint="https://push.example.com:8443/x"),
        subscription(endpoint="https://simulator.senderkit.test/failed"),
    ],
)
def test_a_push_subscription_is_kept_and_compared_by_its_endpoint(to: str) -> None:
    recipient = check_recipient(Channel.WEB_PUSH, to)
    assert recipient.text == to
    assert recipient.key == json.loads(to)["endpoint"]


@pytest.mark.parametrize(
    ("to", "named"),
    [
        ("", "required"),
        ("nonsense", "cannot be read"),
        ("[]", "cannot be read"),
        ("[" * 8_000, "cannot be read"),
        ('{"endpoint": "https://a.example", "endpoint": "https://b.example"}', "more than once"),
        ('{"a": "\ud800"}', "cannot be read"),
        ("x" * 10_000, "at most"),
        ("{}", "'endpoint'"),
        (subscription(endpoint=1), "'endpoint'"),
        (subscription(endpoint="http://push.example.com/"), "'endpoint'"),
        (subscription(endpoint="javascript:alert(1)"), "'endpoint'"),
        (subscription(endpoint="https://"), "'endpoint'"),
        (subscription(endpoint="https://["), "'endpoint'"),
        (subscription(endpoint="https://x.example:99999/"), "'endpoint'"),
        (subscription(endpoint="https://u:p@x.example/"), "'endpoint'"),
        (subscription(endpoint="https://x.example/a b"), "'endpoint'"),
        (subscription(endpoint="https://x.example/\r\nHost: y"), "'endpoint'"),
        (subscription(endpoint="https://x.example/" + "a" * 2_048), "'endpoint'"),
        (subscription(keys=None), "'keys'"),
        (subscription(keys={"auth": AUTH}), "'keys.p256dh'"),
        (subscription(keys={"p256dh": 7, "auth": AUTH}), "'keys.p256dh'"),
        (subscription(keys={"p256dh": POINT[:-4], "auth": AUTH}), "'keys.p256dh'"),
        (subscription(keys={"p256dh": "A" * 87, "auth": AUTH}), "'keys.p256dh'"),
        (subscription(keys={"p256dh": "B", "auth": AUTH}), "'keys.p256dh'"),
        (subscription(keys={"p256dh": POINT}), "'keys.auth'"),
        (subscription(keys={"p256dh": POINT, "auth": AUTH[:-2]}), "'keys.auth'"),
        (subscription(keys={"p256dh": POINT, "auth": AUTH + "AAAA"}), "'keys.auth'"),
        (subscription(keys={"p256dh": POINT, "auth": "+/" + AUTH[2:]}), "'keys.auth'"),
    ],
)
def test_what_is_no_push_subscription_is_refused_with_its_fault(to: str, named: str) -> None:
    assert named in refusal(Channel.WEB_PUSH, to)
