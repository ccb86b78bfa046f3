"""Calls to a running server over a real socket."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any, Final

_DEADLINE_SECONDS: Final = 60


def call(url: str, token: str | None = None, body: Any = None) -> tuple[int, Any]:
    """GET, or POST of a body: the status and what the JSON answer holds."""
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def status_of(url: str, token: str | None = None) -> int:
    return call(url, token)[0]


def wait_for_status(url: str, token: str, message_id: str, status: str) -> None:
    """Poll until the message has the status."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    found = ""
    while time.monotonic() < deadline:
        found = call(f"{url}/v1/messages/{message_id}", token)[1]["status"]
        if found == status:
            return
        time.sleep(0.05)
    raise AssertionError(f"the message is {found}, not {status}")
