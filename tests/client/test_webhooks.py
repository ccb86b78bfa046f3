"""Which webhooks are believed."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from senderkit.client import SenderKit, SenderKitSignatureError, WebhookVerifier
from senderkit.domain import Mode
from senderkit.keys import mint

SECRET = "whsec_" + "c2VjcmV0" * 5
NOW = 1_764_000_000
EVENT = {"id": "evt_1", "type": "message.delivered", "data": {"message": {"id": "msg_1"}}}
BODY = json.dumps(EVENT, ensure_ascii=False).encode()


def signature(body: bytes = BODY, secret: str = SECRET, now: int = NOW) -> str:
    digest = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={now},v1={digest}"


def verify(body: str | bytes = BODY, header: str | None = None, **more: object) -> object:
    verifier = WebhookVerifier(SECRET)
    given = signature() if header is None else header
    return verifier.verify(body, given, **{"now": NOW, **more})  # type: ignore[arg-type]


def test_a_signed_event_is_believed() -> None:
    event = WebhookVerifier(SECRET).verify(
        BODY, signature(), now=NOW, event_type="message.delivered", delivery_id="whd_1"
    )

    assert (event.type, event.delivery_id, event.timestamp) == ("message.delivered", "whd_1", NOW)
    assert (event.payload, event.id) == (EVENT, "evt_1")


def test_text_and_bytes_are_the_same() -> None:
    body = json.dumps({"type": "message.sent", "name": "Zoë 🙂"}, ensure_ascii=False)

    assert verify(body, signature(body.encode())) == verify(body.encode(), signature(body.encode()))


def test_any_flipped_bit_is_refused() -> None:
    header = signature()
    flipped = [
        BODY[:place] + bytes([BODY[place] ^ 1 << bit]) + BODY[place + 1 :]
        for place in range(len(BODY))
        for bit in range(8)
    ]

    for body in flipped:
        with pytest.raises(SenderKitSignatureError):
            verify(body, header)


def test_any_changed_character_of_the_header_is_refused() -> None:
    header = signature()
    for place, letter in enumerate(header):
        other = "0" if letter != "0" else "1"
        with pytest.raises(SenderKitSignatureError):
            verify(header=header[:place] + other + header[place + 1 :])


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=,v1=",
        f"t={NOW}",
        "v1=" + "0" * 64,
        f"t={NOW},v1=",
        f"t={NOW},v1=ä",
        f"t=²,{signature().partition(',')[2]}",
        f"t={NOW},t={NOW},{signature().partition(',')[2]}",
        signature().upper(),
        signature().replace("v1", "v0"),
    ],
)
def test_a_malformed_header_is_refused(header: str) -> None:
    with pytest.raises(SenderKitSignatureError, match="malformed"):
        verify(header=header)


@pytest.mark.parametrize("off", [-301, 301, 86_400])
def test_a_signature_of_another_time_is_refused(off: int) -> None:
    with pytest.raises(SenderKitSignatureError, match="seconds ago"):
        verify(header=signature(now=NOW + off))
    assert verify(header=signature(now=NOW + off), tolerance=abs(off))


@pytest.mark.parametrize("off", [-300, 0, 300])
def test_five_minutes_are_allowed(off: int) -> None:
    assert verify(header=signature(now=NOW + off))


def test_the_present_is_taken_unless_given() -> None:
    with pytest.raises(SenderKitSignatureError, match="seconds ago"):
        verify(header=signature(now=1_000_000_000), now=None)


def test_another_secret_is_refused() -> None:
    with pytest.raises(SenderKitSignatureError, match="not signed with this secret"):
        verify(header=signature(secret=SECRET[:-1]))


def test_the_secret_may_come_from_the_call_the_client_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SENDERKIT_WEBHOOK_SECRET", raising=False)
    key = mint(Mode.TEST).token
    with pytest.raises(SenderKitSignatureError, match="SENDERKIT_WEBHOOK_SECRET"):
        WebhookVerifier().verify(BODY, signature(), now=NOW)
    with SenderKit(key, webhook_secret=SECRET) as sk:
        assert sk.webhooks.verify(BODY, signature(), now=NOW).id == "evt_1"
    assert WebhookVerifier("other").verify(BODY, signature(), secret=SECRET, now=NOW)
    monkeypatch.setenv("SENDERKIT_WEBHOOK_SECRET", SECRET)
    assert WebhookVerifier().verify(BODY, signature(), now=NOW)
    with SenderKit(key) as sk:
        assert sk.webhooks.verify(BODY, signature(), now=NOW)


def test_one_of_several_signatures_is_enough() -> None:
    other = signature(secret="whsec_old").partition(",")[2]
    own = signature().partition(",")[2]

    assert verify(header=f"t={NOW},{other},{own}")
    assert verify(header=f"t={NOW},{own},{other}")


def test_the_type_that_was_signed_wins_over_the_header() -> None:
    event = WebhookVerifier(SECRET).verify(BODY, signature(), now=NOW, event_type="message.failed")

    assert event.type == "message.delivered"


def test_a_body_that_is_no_event_is_an_empty_one() -> None:
    event = WebhookVerifier(SECRET).verify(b"[]", signature(b"[]"), now=NOW, event_type="x")

    assert (event.type, event.payload, event.id) == ("x", {}, None)
