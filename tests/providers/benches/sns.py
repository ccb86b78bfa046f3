from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any, ClassVar, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from senderkit.domain import EventKind, ProviderEvent
from senderkit.errors import AccountBroken, Refused, Suppressed, Unavailable
from senderkit.providers.base import Callback
from tests import fakes_sns
from tests.fakes_http import Answer, Recorded
from tests.providers.benches.base import SECRET, HttpBench, Refusal, Report
from tests.providers.conftest import NOON

SNS_ID: Final = "567910cd-659e-55d4-8ccb-5aaf14679dc0"

_NAMESPACE: Final = 'xmlns="http://sns.amazonaws.com/doc/2010-03-31/"'
_XML: Final = {"Content-Type": "text/xml"}
_PROOF: Final = re.compile(r"SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})$")


def answer(action: str, result: str) -> Answer:
    body = (
        f"<{action}Response {_NAMESPACE}>\n  <{action}Result>\n    {result}\n  </{action}Result>\n"
        "  <ResponseMetadata>\n    <RequestId>f187a3c1-376f-11df-8963-01868b7c937a</RequestId>\n"
        f"  </ResponseMetadata>\n</{action}Response>\n"
    )
    return Answer(body=body.encode(), headers=_XML)


def refused(code: str, words: str, status: int = 400) -> Answer:
    body = (
        f"<ErrorResponse {_NAMESPACE}>\n  <Error>\n    <Type>Sender</Type>\n"
        f"    <Code>{code}</Code>\n    <Message>{escape(words)}</Message>\n  </Error>\n"
        "  <RequestId>f187a3c1-376f-11df-8963-01868b7c937a</RequestId>\n</ErrorResponse>\n"
    )
    return Answer(status, body=body.encode(), headers=_XML)


def reply(words: Any, **more: Any) -> bytes:
    usual = {
        "originationNumber": "+15550100200",
        "destinationNumber": "+15550100300",
        "messageKeyword": "KEYWORD_123456789012",
        "messageBody": words,
        "inboundMessageId": "cae173d2-66b9-564c-8309-21f858e9fb84",
        "previousPublishedMessageId": SNS_ID,
    }
    return json.dumps(usual | more).encode()


def opted_out(words: str) -> list[ProviderEvent]:
    sender = "+15550100200"
    return [ProviderEvent(EventKind.OPTED_OUT, NOON, None, recipient=sender, detail=words)]


class SnsBench(HttpBench):
    sending = "POST /"
    accepts = answer("Publish", f"<MessageId>{SNS_ID}</MessageId>")
    unauthorized = refused(
        "SignatureDoesNotMatch", "The request signature we calculated does not match.", 403
    )
    rate_limited = refused("Throttled", "Rate exceeded", 429)
    refusals: ClassVar = (
        Refusal(
            "bad recipient",
            refused(
                "InvalidParameter",
                "Invalid parameter: PhoneNumber Reason: +15550100200 is not valid to publish to",
            ),
            Refused,
        ),
        Refusal("empty", refused("InvalidParameter", "Invalid parameter: Empty message"), Refused),
        Refusal("bad value", refused("ParameterValueInvalid", "Invalid."), Refused),
        Refusal("not valid", refused("ValidationException", "1 validation error."), Refused),
        Refusal("a code of tomorrow", refused("Newness", "Something new."), Refused),
        Refusal("opted out", refused("OptedOut", "The number is opted out."), Suppressed),
        Refusal(
            "bad sender",
            refused("InvalidParameter", "Invalid parameter: AWS.SNS.SMS.SenderID Reason: no"),
            AccountBroken,
        ),
        Refusal("may not publish", refused("AuthorizationError", "No.", 403), AccountBroken),
        Refusal("no https", refused("InvalidSecurity", "No.", 403), AccountBroken),
        Refusal("unknown key", refused("InvalidClientTokenId", "No.", 403), AccountBroken),
        Refusal("not subscribed", refused("OptInRequired", "No.", 403), AccountBroken),
        Refusal("expired key", refused("ExpiredToken", "No.", 403), AccountBroken),
        Refusal("too fast", refused("Throttling", "Rate exceeded"), Unavailable),
        Refusal("in trouble", refused("InternalError", "Oops.", 500), Unavailable),
        Refusal("in trouble, as ours", refused("InternalError", "Oops."), Unavailable),
    )
    reports: ClassVar = (
        Report("STOP", reply("STOP"), opted_out("STOP")),
        Report("arret", reply("arret"), opted_out("arret")),
        Report("stop in a sentence", reply("Where does the bus stop?")),
        Report("a reply that is no text", reply(None)),
        Report("stop of a short code", reply("STOP", originationNumber="29290")),
        Report("something else on the topic", b"Hello from another publisher"),
    )
    secret_headers = ("x-amz-sns-message-type", "x-amz-sns-topic-arn")

    def fields(self) -> dict[str, str]:
        return {
            "region": "eu-west-1",
            "access_key_id": "AKIDEXAMPLE",
            "secret_access_key": SECRET,
            "sms_type": "Transactional",
            "sender_id": "Acme",
            "origination_number": "+15550100300",
            "topic_arn": fakes_sns.TOPIC,
        }

    def is_authorized(self, request: Recorded) -> bool:
        found = _PROOF.search(request.headers.get("authorization", ""))
        return found is not None and found[2] == signature_of(request, found[1].split(";"))

    def error(self, words: str) -> Answer:
        return refused("InvalidParameter", words)

    def other_routes(self) -> Mapping[str, Answer]:
        return {"GET /": answer("GetSMSAttributes", "<attributes/>")}

    def authentic(self, body: bytes) -> Callback:
        return fakes_sns.signed(fakes_sns.notification(body.decode("latin-1")))


def signature_of(request: Recorded, names: list[str]) -> str:
    """The signature that SNS computes for a request, by botocore."""
    url = f"http://{request.headers['host']}{request.target}"
    headers = {name: request.headers[name] for name in names}
    draft = AWSRequest(request.method, url, headers, request.body)
    draft.context["timestamp"] = request.headers["x-amz-date"]
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", SECRET), "sns", "eu-west-1")
    text = signer.string_to_sign(draft, signer.canonical_request(draft))
    return str(signer.signature(text, draft))


BENCH = SnsBench
