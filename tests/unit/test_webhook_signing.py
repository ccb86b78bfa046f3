"""Signatures of webhooks, by the verifiers that others have written."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from senderkit.client import SenderKitSignatureError, WebhookVerifier
from senderkit.domain import utc_now
from senderkit.webhook_signing import SigningSecrets, new_webhook_secret, signed_headers

BODY = json.dumps({"id": "evt_1", "type": "message.sent", "name": "Zoë"}).encode()
OLD, NEW = new_webhook_secret(), new_webhook_secret()


def headers(
    keys: SigningSecrets, *, attempt: int = 1, at: datetime | None = None, body: bytes = BODY
) -> dict[str, str]:
    signed = signed_headers(
        body,
        keys,
        event_type="message.sent",
        event_id="evt_1",
        delivery_id="whd_1",
        attempt=attempt,
        now=at or utc_now(),
    )
    return dict(signed)


def own_believes(secret: str, given: dict[str, str], body: bytes = BODY) -> bool:
    try:
        WebhookVerifier(secret).verify(body, given["X-SenderKit-Signature"])
    except SenderKitSignatureError:
        return False
    return True


def standard_believes(secret: str, given: dict[str, str], body: bytes = BODY) -> bool:
    try:
        Webhook(secret).verify(body, given)
    except (WebhookVerificationError, ValueError):
        return False
    return True


def test_a_secret_is_32_random_bytes_in_base64() -> None:
    made = {new_webhook_secret() for _ in range(10_000)}
    assert len(made) == 10_000
    for secret in made:
        assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32


def test_a_secret_is_not_shown_by_accident() -> None:
    assert OLD not in repr(SigningSecrets(OLD, NEW))


def test_both_verifiers_believe() -> None:
    given = headers(SigningSecrets(NEW))
    assert own_believes(NEW, given)
    assert standard_believes(NEW, given)
    assert not own_believes(OLD, given)
    assert not standard_believes(OLD, given)


def test_our_header_has_one_signature_and_no_spaces() -> None:
    given = headers(SigningSecrets(NEW, OLD))
    assert re.fullmatch(r"t=\d{10},v1=[0-9a-f]{64}", given["X-SenderKit-Signature"])


def test_each_attempt_is_signed_at_its_own_time() -> None:
    now = utc_now()
    first, late = headers(SigningSecrets(NEW), at=now), now + timedelta(minutes=6)
    assert not own_believes(NEW, headers(SigningSecrets(NEW), at=late))
    assert not standard_believes(NEW, headers(SigningSecrets(NEW), at=now - timedelta(minutes=6)))
    assert first["webhook-timestamp"] == str(int(now.timestamp()))


def test_during_a_rotation_the_standard_headers_carry_both() -> None:
    given = headers(SigningSecrets(NEW, OLD))
    assert standard_believes(OLD, given)
    assert standard_believes(NEW, given)


def test_during_a_rotation_ours_alternates_over_the_attempts() -> None:
    believed = [
        (own_believes(NEW, given), own_believes(OLD, given))
        for given in (headers(SigningSecrets(NEW, OLD), attempt=n) for n in range(1, 5))
    ]
    assert believed == [(True, False), (False, True)] * 2


def test_any_flipped_bit_of_the_body_is_refused() -> None:
    given = headers(SigningSecrets(NEW))
    for place in range(len(BODY)):
        for bit in range(8):
            body = BODY[:place] + bytes([BODY[place] ^ 1 << bit]) + BODY[place + 1 :]
            assert not own_believes(NEW, given, body)
            assert not standard_believes(NEW, given, body)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "X-SenderKit-Signature"])
def test_any_flipped_bit_of_a_signed_header_is_refused(name: str) -> None:
    given = headers(SigningSecrets(NEW))
    believes = own_believes if name.startswith("X-") else standard_believes
    for place, letter in enumerate(given[name]):
        for bit in range(7):
            text = given[name][:place] + chr(ord(letter) ^ 1 << bit) + given[name][place + 1 :]
            assert not believes(NEW, given | {name: text})


def test_any_flipped_bit_of_a_standard_signature_is_refused() -> None:
    given = headers(SigningSecrets(NEW))
    raw = base64.b64decode(given["webhook-signature"].removeprefix("v1,"))
    for place in range(len(raw)):
        for bit in range(8):
            flipped = raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]
            text = f"v1,{base64.b64encode(flipped).decode()}"
            assert not standard_believes(NEW, given | {"webhook-signature": text})


def test_secrets_keep_their_order() -> None:
    both = SigningSecrets(NEW, OLD)
    assert both.all() == (NEW, OLD)
    assert replace(both, previous=None).all() == (NEW,)
