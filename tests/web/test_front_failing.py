"""What becomes of a request that neither Flask nor the front could answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.fakes import free_port
from tests.make import wait_until
from tests.serving import TOP
from tests.web.raw_http import ask

_BROKEN: Final = """
import asyncio, sys
from flask import Flask
from senderkit.web import logs
from senderkit.web.front import serve_flask

app = Flask("broken")
app.add_url_rule("/whole", view_func=lambda: "whole")
inner = app.wsgi_app

def outer(environ, start_response):
    if environ["PATH_INFO"] == "/whole":
        return inner(environ, start_response)
    raise LookupError("no such room")

app.wsgi_app = outer
logs.configure_logging("info")
asyncio.run(serve_flask(app, "127.0.0.1", int(sys.argv[1]), 2))
"""


def test_it_is_logged_answered_500_and_leaves_the_server_whole(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with log.open("wb") as writing:
        server = subprocess.Popen(
            [sys.executable, "-c", _BROKEN, str(port)], cwd=TOP, stderr=writing
        )
    try:
        wait_until(lambda: _status(port, "/whole") == 200)
        assert _status(port, "/broken") == 500
        assert _status(port, "/whole") == 200
    finally:
        server.terminate()
        assert server.wait(timeout=30) == 0

    (failed,) = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert (failed["event"], failed["level"], failed["method"]) == ("answer_failed", "error", "GET")
    assert "LookupError" in failed["exception"]


def _status(port: int, path: str) -> int:
    try:
        return ask(port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).status
    except ConnectionRefusedError:
        return 0
