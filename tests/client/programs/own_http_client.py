"""Brings its own HTTP client, with a hook that sees every request and a time limit of its own."""

import json
import os
import socket

import httpx
from senderkit import SenderKit
from senderkit.errors import TimeoutError

KEY = os.environ["SENDERKIT_API_KEY"]
seen = []

with httpx.Client(event_hooks={"request": [lambda request: seen.append(request.url.path)]}) as http:
    with SenderKit(KEY, base_url=os.environ["SENDERKIT_BASE_URL"], http_client=http) as sk:
        sk.context()
        sent = sk.send("welcome", "ada@example.com").status

with socket.create_server(("127.0.0.1", 0)) as deaf, httpx.Client(timeout=0.2) as http:
    url = "http://127.0.0.1:%d" % deaf.getsockname()[1]
    sk = SenderKit(KEY, base_url=url, http_client=http, max_retries=0)
    try:
        sk.context()
    except TimeoutError:
        late = "TimeoutError"

print(json.dumps({"sent": sent, "seen": seen, "late": late}))
