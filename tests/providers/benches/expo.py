from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from senderkit.errors import AccountBroken, Refused, Unavailable
from tests.fakes_http import Answer, Recorded
from tests.providers.benches.base import SECRET, HttpBench, Refusal

TICKET = "019a7a5e-0a64-7b1c-8d3a-5c1f0f3a9b77"
RECEIPTS = "POST /push/getReceipts"


def failed_ticket(code: str | None, words: str = "No.") -> Answer:
    details = {"error": code} if code else {}
    return Answer(json={"data": {"status": "error", "message": words, "details": details}})


def refused(status: int, code: str, words: str = "No.") -> Answer:
    errors: list[Any] = [{"code": code, "message": words, "isTransient": False}]
    return Answer(status, json={"errors": errors})


class ExpoBench(HttpBench):
    recipient = "ExponentPushToken[xxxxxxxxxxxxxxxxxxxxxx]"
    sending = "POST /push/send"
    accepts = Answer(json={"data": {"status": "ok", "id": TICKET}})
    unauthorized = refused(401, "UNAUTHORIZED", "The access token is not valid.")
    rate_limited = refused(429, "TOO_MANY_REQUESTS")
    refusals: ClassVar = (
        Refusal("gone", failed_ticket("DeviceNotRegistered"), Refused),
        Refusal("too big", failed_ticket("MessageTooBig"), Refused),
        Refusal("a code of tomorrow", failed_ticket("Rainy"), Refused),
        Refusal("no code", failed_ticket(None), Refused),
        Refusal("not valid", refused(400, "VALIDATION_ERROR"), Refused),
        Refusal("mixed projects", refused(400, "PUSH_TOO_MANY_EXPERIENCE_IDS"), Refused),
        Refusal("no key of Apple's", failed_ticket("InvalidCredentials"), AccountBroken),
        Refusal("another sender's", failed_ticket("MismatchSenderId"), AccountBroken),
        Refusal("an unauthorized project", refused(403, "UNAUTHORIZED"), AccountBroken),
        Refusal("too fast for a device", failed_ticket("MessageRateExceeded"), Unavailable),
        Refusal("Apple or Google down", failed_ticket("ProviderError"), Unavailable),
        Refusal("Expo down", failed_ticket("ExpoError"), Unavailable),
        Refusal("a server in trouble", refused(500, "INTERNAL_SERVER_ERROR"), Unavailable),
    )

    def fields(self) -> dict[str, str]:
        return {"access_token": SECRET}

    def is_authorized(self, request: Recorded) -> bool:
        return request.headers.get("authorization") == f"Bearer {SECRET}"

    def error(self, words: str) -> Answer:
        return failed_ticket("MessageTooBig", words)

    def other_routes(self) -> Mapping[str, Answer]:
        return {RECEIPTS: Answer(json={"data": {}})}


BENCH = ExpoBench
