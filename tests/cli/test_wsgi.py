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
from tests.make import OWNER, PASSWORD, WORKSPACE, raw_email
from tests.serving import TOP, environment

INIT = ("admin", "init", "--workspace", WORKSPACE, "--email", OWNER, "--password-stdin")


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


def test_a_foreign_server_accepts_and_records_while_a_worker_delivers(shell: Shell) -> None:
    shell.does(*INIT, stdin=PASSWORD)
    token = shell.does("admin", "keys", "create", "--name", "Shop", "--mode", "test").strip()
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    with foreign_server(Shell(shell.data_dir, shell.settings | {"DEBUG": "on"}), port) as server:
        assert call(f"{url}/readyz") == (200, {"status": "ready", "checks": {"database": True}})
        status, accepted = call(f"{url}/v1/send", token, raw_email())
        assert status == 202
        assert call(f"{url}/v1/messages/{accepted['id']}", token)[1]["status"] == "queued"

        worker = subprocess.Popen(
            [sys.executable, "-m", "senderkit", "worker"],
            cwd=TOP,
            env=environment(shell.data_dir, **shell.settings),
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for_status(url, token, accepted["id"], "delivered")
        finally:
            worker.terminate()
            worker.wait(timeout=60)
        server.terminate()
        server.wait(timeout=60)

    assert "never used" not in shell.does("admin", "keys", "list")
