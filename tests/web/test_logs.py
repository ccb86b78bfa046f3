"""What a crash leaves in the log: where it happened, never what was in hand."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from typing import Final

import pytest

from tests.serving import TOP

CRASH: Final = """
import structlog
from senderkit.web.logs import configure_logging

def authenticate(token):
    raise RuntimeError("boom")

configure_logging("info")
try:
    authenticate("-".join(["in", "hand"]))
except RuntimeError:
    structlog.get_logger().exception("request_crashed")
"""


def logged(stderr: int) -> None:
    done = subprocess.run([sys.executable, "-c", CRASH], cwd=TOP, stderr=stderr, check=True)
    assert done.returncode == 0


def on_a_terminal() -> str:
    ours, theirs = pty.openpty()
    try:
        logged(theirs)
        return os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def in_a_file() -> str:
    ours, theirs = os.pipe()
    try:
        logged(theirs)
        return os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("place", [on_a_terminal, in_a_file])
def test_a_traceback_shows_no_values(place: Callable[[], str]) -> None:
    text = place()
    assert "request_crashed" in text
    assert "RuntimeError" in text
    assert "authenticate" in text
    assert "in-hand" not in text
