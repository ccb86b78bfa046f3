"""`senderkit serve` and `worker`: one process, its address, its end, its files."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.calls import call, status_of, wait_for_status
from tests.cli.conftest import Shell
from tests.fakes import free_port
from tests.make import OWNER, PASSWORD, WORKSPACE, raw_email
from tests.serving import TOP, environment, serving, start_server

INIT = ("admin", "init", "--workspace", WORKSPACE, "--email", OWNER, "--password-stdin")
CREATE = ("admin", "keys", "create", "--name", "Shop", "--mode", "test")


def new_key(shell: Shell) -> str:
    shell.does(*INIT, stdin=PASSWORD)
    return shell.does(*CREATE).strip()


def children_of(pid: int) -> list[int]:
    """Processes whose parent is `pid`, as the kernel has it."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found.append(int(entry.name))
    return found


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=5):
        return True
    return False


@contextlib.contextmanager
def running(
    data_dir: Path, *arguments: str, settings: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """`senderkit <arguments>` in the background; killed in the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "senderkit", *arguments],
        cwd=TOP,
        env=environment(data_dir, **settings),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


def wait_until_listening(port: int, host: str = "127.0.0.1") -> None:
    deadline = time.monotonic() + 60
    while not is_listening(port, host):
        assert time.monotonic() < deadline, f"nobody listens on {host} port {port}"
        time.sleep(0.05)


# -- its life ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(tmp_path: Path, number: signal.Signals) -> None:
    server = start_server(tmp_path / "data")

    server.process.send_signal(number)

    assert server.process.wait(timeout=30) == 0
    assert "Traceback" not in server.log
    assert not is_listening(server.port)


def test_a_second_start_finds_what_the_first_one_left(shell: Shell) -> None:
    token = new_key(shell)
    with serving(shell.data_dir, **shell.settings) as server:
        status, accepted = call(f"{server.url}/v1/send", token, raw_email())
        assert status == 202
        wait_for_status(server.url, token, accepted["id"], "delivered")
        before = call(f"{server.url}/v1/messages", token)

    with serving(shell.data_dir, **shell.settings) as server:
        assert call(f"{server.url}/v1/messages", token) == before


def test_it_is_one_process_and_dies_alone_and_at_once(tmp_path: Path) -> None:
    """A server of two processes would leave one behind that goes on delivering."""
    with serving(tmp_path / "data") as server:
        assert server.process.pid in children_of(os.getpid())
        assert children_of(server.process.pid) == []

        server.kill()

        assert not is_listening(server.port)

    with serving(tmp_path / "data", PORT=str(server.port)) as next_one:
        assert status_of(f"{next_one.url}/healthz") == 200


def test_the_console_tells_where_it_is_and_how_to_set_it_up(tmp_path: Path) -> None:
    with serving(tmp_path / "data", PUBLIC_URL="https://notify.acme.example") as server:
        first, second, third = server.log.splitlines()[:3]

    assert first.endswith(f" on http://127.0.0.1:{server.port}")
    assert second == "Set it up: https://notify.acme.example/setup"
    assert third.startswith("From another machine the page asks for this token: ")
    assert len(third.rpartition(" ")[2]) >= 43


def test_once_set_up_it_prints_no_token(new_shell: Shell) -> None:
    new_shell.does(*INIT, stdin=PASSWORD)

    with serving(new_shell.data_dir) as server:
        assert "token" not in server.log


# -- its address ------------------------------------------------------------------------------


def test_the_port_of_the_environment_is_taken(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path / "data", "serve", settings={"PORT": str(port)}):
        wait_until_listening(port)


def test_an_option_wins_over_the_environment(tmp_path: Path) -> None:
    port = free_port()
    settings = {"PORT": str(free_port()), "HOST": "192.0.2.1"}
    command = ("serve", "--host", "127.0.0.1", "--port", str(port))
    with running(tmp_path / "data", *command, settings=settings):
        wait_until_listening(port)


@pytest.mark.parametrize(
    ("host", "reached_at"),
    [("localhost", "127.0.0.1"), ("::1", "::1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1")],  # noqa: S104
)
def test_it_listens_where_it_is_told(tmp_path: Path, host: str, reached_at: str) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    port = free_port()
    url = f"http://[{reached_at}]:{port}" if ":" in reached_at else f"http://{reached_at}:{port}"
    command = ("serve", "--host", host, "--port", str(port))
    with running(tmp_path / "data", *command, settings={}) as process:
        wait_until_listening(port, reached_at)
        assert status_of(f"{url}/readyz") == 200
        assert status_of(f"{url}/v1/context") == 401
        process.terminate()
        assert process.wait(timeout=30) == 0


# -- its files --------------------------------------------------------------------------------


def test_every_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "new" / "data")
    before = os.umask(0)
    try:
        token = new_key(shell)
        with serving(shell.data_dir) as server:
            _, accepted = call(f"{server.url}/v1/send", token, raw_email())
            wait_for_status(server.url, token, accepted["id"], "delivered")
            modes = {
                path.name: stat.S_IMODE(path.stat().st_mode)
                for path in shell.data_dir.iterdir()
                if path != server.log_path
            }
    finally:
        os.umask(before)

    assert modes == dict.fromkeys(
        (
            "secret.key",
            "encryption.key",
            "senderkit.sqlite3",
            "senderkit.sqlite3-wal",
            "senderkit.sqlite3-shm",
        ),
        0o600,
    )
    assert stat.S_IMODE(shell.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(shell.data_dir.parent.stat().st_mode) == 0o700


# -- worker -----------------------------------------------------------------------------------


def test_a_worker_delivers_for_a_server_that_does_not(shell: Shell) -> None:
    token = new_key(shell)
    settings = shell.settings | {"DISPATCHER": "off"}
    with serving(shell.data_dir, **settings) as server:
        assert call(f"{server.url}/readyz")[1]["checks"] == {"database": True}
        _, accepted = call(f"{server.url}/v1/send", token, raw_email())
        assert call(f"{server.url}/v1/messages/{accepted['id']}", token)[1]["status"] == "queued"

        with running(shell.data_dir, "worker", settings=settings) as worker:
            wait_for_status(server.url, token, accepted["id"], "delivered")
            assert children_of(worker.pid) == []
            worker.terminate()
            assert worker.wait(timeout=30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_worker_well(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path / "data", "worker", settings={}) as worker:
        assert worker.stderr is not None
        assert worker.stderr.readline().endswith(b" delivers. Ctrl-C stops it.\n")

        worker.send_signal(number)

        assert worker.wait(timeout=30) == 0
        assert worker.stderr.read() == b""
