"""A server as people start it: `senderkit serve` in a process of its own, on a real socket."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fakes import free_port
from tests.starter import starter

TOP: Final = Path(__file__).resolve().parents[1]
SENDERKIT: Final = ("senderkit",)
_START_SECONDS: Final = 60


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """This process's environment without our own settings, and with these by name (`PORT`)."""
    inherited = {name: value for name, value in os.environ.items() if "SENDERKIT" not in name}
    given = {"DATA_DIR": str(data_dir)} | settings
    return inherited | {f"SENDERKIT_{name}": value for name, value in given.items()}


def run_cli(
    data_dir: Path, *arguments: str, stdin: str = "", settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`senderkit <arguments>` in a process of its own, to its end."""
    environ = environment(data_dir, **(settings or {}))
    return starter().run(arguments, cwd=TOP, env=environ, stdin=stdin)


@dataclass
class Server:
    """A running `senderkit serve`; `log` is all it wrote to standard error so far."""

    process: subprocess.Popen[bytes]
    port: int
    data_dir: Path
    log_path: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8")

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended: {self.log}")
            with (
                contextlib.suppress(urllib.error.URLError, ConnectionError),
                urllib.request.urlopen(f"{self.url}/readyz", timeout=5),
            ):
                return
            time.sleep(0.05)
        raise AssertionError(f"the server is not ready: {self.log}")

    def stop(self) -> int:
        """SIGTERM, then the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """SIGKILL: what a power cut looks like to the process."""
        self.process.kill()
        self.process.wait(timeout=30)


def start_server(data_dir: Path, module: Sequence[str] = SENDERKIT, **settings: str) -> Server:
    """Start and wait until it is ready; settings by name (`SMTP_URL`, `PORT`).

    `module` is what is run in place of `senderkit`, and the arguments it takes before `serve`.
    """
    port = int(settings.get("PORT") or free_port())
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log_path = data_dir / "server.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *module, "serve", "--port", str(port)],
            cwd=TOP,
            env=environment(data_dir, **settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    server = Server(process, port, data_dir, log_path)
    try:
        server.wait_until_ready()
    except BaseException:
        server.kill()
        raise
    return server


@contextlib.contextmanager
def serving(data_dir: Path, module: Sequence[str] = SENDERKIT, **settings: str) -> Iterator[Server]:
    """A server for the time of a `with` block."""
    server = start_server(data_dir, module, **settings)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
