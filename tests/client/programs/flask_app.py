"""A Flask application that sends and that receives webhooks."""

import hashlib
import hmac
import json
import os
import time

from flask import Flask, request
from senderkit.integrations.flask import SenderKitFlask

app = Flask(__name__)
app.config["SENDERKIT_API_KEY"] = os.environ["SENDERKIT_API_KEY"]
app.config["SENDERKIT_BASE_URL"] = os.environ["SENDERKIT_BASE_URL"]
app.config["SENDERKIT_WEBHOOK_SECRET"] = os.environ["SENDERKIT_WEBHOOK_SECRET"]
senderkit = SenderKitFlask(app)


@app.post("/welcome")
def welcome():
    return {"id": senderkit.client.send("welcome", "flask@example.com").id}


@app.post("/webhooks/senderkit")
def hook():
    event = senderkit.verify_webhook(request)
    return {"type": event.type, "delivery": event.delivery_id}


def signed(body):
    now = int(time.time())
    key = os.environ["SENDERKIT_WEBHOOK_SECRET"].encode()
    digest = hmac.new(key, b"%d." % now + body, hashlib.sha256).hexdigest()
    return {"X-SenderKit-Signature": f"t={now},v1={digest}", "X-SenderKit-Event": "message.sent"}


browser = app.test_client()
body = json.dumps({"type": "message.sent"}).encode()
hooked = browser.post("/webhooks/senderkit", data=body, headers=signed(body))
forged = browser.post("/webhooks/senderkit", data=b"{}", headers=signed(body))
sent = browser.post("/welcome").json["id"]
with app.app_context():
    is_one = senderkit.client is app.extensions["senderkit"].client
    senderkit.client.close()

print(
    json.dumps(
        {
            "sent": sent,
            "hook": [hooked.status_code, hooked.json["type"]],
            "forged": forged.status_code,
            "one client": is_one,
        }
    )
)
