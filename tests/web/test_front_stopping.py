"""How the server ends when it is told to."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from tests.fakes import free_port
from tests.serving import TOP

# asyncio wakes its loop through a pipe, by which a signal also arrives: a few hundred wake-ups in
# one turn of the loop fill it, and what then comes is dropped.
_BUSY_WHEN_STOPPED: Final = """
import asyncio, os, signal, sys
from flask import Flask
from senderkit.web.front import serve_flask

async def main():
    loop = asyncio.get_running_loop()

    def stop_among_wake_ups():
        for _ in range(2000):
            loop.call_soon_threadsafe(lambda: None)
        os.kill(os.getpid(), getattr(signal, sys.argv[2]))

    loop.call_later(0.3, stop_among_wake_ups)
    await serve_flask(Flask("busy"), "127.0.0.1", int(sys.argv[1]), 2)

asyncio.run(main())
"""


def test_a_signal_among_many_wake_ups_is_not_lost() -> None:
    for name in ("SIGTERM", "SIGINT"):
        ended = subprocess.run(
            [sys.executable, "-c", _BUSY_WHEN_STOPPED, str(free_port()), name],
            cwd=TOP,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

        assert (ended.returncode, ended.stderr) == (0, ""), name
