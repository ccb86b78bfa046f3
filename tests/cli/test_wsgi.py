"""`app.py` under a WSGI server of one's own choice, here granian's own command."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.cli.calls import call, wait_for_status
from tests.cli.conftest import Shell
from tests.fakes import free_port
from tests.make import House, raw_email
from tests.serving import TOP, environment


@contextlib.contextmanager
def foreign_server(shell: Shell, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = ["-m", "granian", "--interface", "wsgi", "--port", str(port), "app:app"]
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=TOP,
        env=environment(shell.data_dir, **shell.settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_answering(f"http://127.0.0.1:{port}", process)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=60)


def wait_until_answering(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        with contextlib.suppress(OSError):
            call(f"{url}/healthz")
            return
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


def test_a_foreign_server_accepts_and_records_while_a_worker_delivers(
    set_up_shell: Shell, house: House
) -> None:
    token = house.token()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    shell = Shell(set_up_shell.data_dir, set_up_shell.settings | {"DEBUG": "on"})

    with foreign_server(shell, port):
        assert call(f"{url}/readyz") == (200, {"status": "ready", "checks": {"database": True}})
        status, accepted = call(f"{url}/v1/send", token, raw_email())
        assert status == 202
        assert call(f"{url}/v1/messages/{accepted['id']}", token)[1]["status"] == "queued"
        with worker_of(shell):
            wait_for_status(url, token, accepted["id"], "delivered")
        wait_until_used(house)


@contextlib.contextmanager
def worker_of(shell: Shell) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "senderkit", "worker"],
        cwd=TOP,
        env=environment(shell.data_dir, **shell.settings),
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_until_used(house: House) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if house.rows("SELECT use_count FROM api_keys WHERE last_used_at IS NOT NULL"):
            return
        time.sleep(0.1)
    raise AssertionError("the use of the key was never written")
