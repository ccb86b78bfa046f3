"""Verifies webhooks."""

import hashlib
import hmac
import json
import os
import time

from senderkit import WebhookVerifier
from senderkit.errors import SenderKitError, SignatureVerificationError

SECRET = os.environ["SENDERKIT_WEBHOOK_SECRET"]
BODY = json.dumps({"type": "message.delivered", "id": "evt_1"}).encode()


def sign(body, now, secret=SECRET):
    digest = hmac.new(secret.encode(), b"%d." % now + body, hashlib.sha256).hexdigest()
    return f"t={now},v1={digest}"


now = int(time.time())
verifier = WebhookVerifier(secret=SECRET)
event = verifier.verify(BODY, sign(BODY, now), event_type="message.delivered", delivery_id="whd_1")
assert verifier.verify(BODY.decode(), sign(BODY, 5), now=7, tolerance=2).timestamp == 5

refused = []
for body, header in [
    (BODY + b" ", sign(BODY, now)),
    (BODY, sign(BODY, now - 301)),
    (BODY, sign(BODY, now, "whsec_other")),
    (BODY, "nonsense"),
]:
    try:
        WebhookVerifier().verify(body, header, secret=SECRET)
    except SignatureVerificationError as error:
        assert isinstance(error, SenderKitError)
        refused.append("SignatureVerificationError")

print(json.dumps({"event": [event.type, event.delivery_id, event.payload], "refused": refused}))
