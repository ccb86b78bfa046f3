"""Commands without their start: each is forked from a process that has imported `senderkit`.

A command is a process of its own as ever, with its own environment, folder and streams; what is
spared are the seconds in which it would import everything anew, and tear it down in the end. Run as
a module, this is the process that they are forked from. It has one thread, so that forking is safe.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final

TOP: Final = Path(__file__).resolve().parents[1]
_MOST_BYTES: Final = 1 << 20
_SECONDS: Final = 100


class Starter:
    """Runs commands, from any thread."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.starter", str(theirs.fileno())],
                cwd=TOP,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: str
    ) -> subprocess.CompletedProcess[str]:
        """`senderkit <arguments>` to its end; `env` is its whole environment."""
        order = json.dumps({"arguments": arguments, "cwd": str(cwd), "env": dict(env)})
        reader, writer = os.pipe()
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as error,
            os.fdopen(reader) as ended,
        ):
            given.write(stdin.encode())
            given.seek(0)
            streams = [given.fileno(), out.fileno(), error.fileno(), writer]
            socket.send_fds(self._control, [order.encode()], streams)
            os.close(writer)
            code = _wait(ended, arguments)
            return subprocess.CompletedProcess(arguments, code, _text(out), _text(error))

    def close(self) -> None:
        self._control.close()
        self._process.wait(timeout=30)


def _wait(ended: IO[str], arguments: Sequence[str]) -> int:
    """The exit code, negative for a signal. The first line is the process's id."""
    pid = int(ended.readline())
    if not select.select([ended], [], [], _SECONDS)[0]:
        os.kill(pid, signal.SIGKILL)
        raise subprocess.TimeoutExpired(list(arguments), _SECONDS)
    return int(ended.readline())


def _text(file: IO[bytes]) -> str:
    """As a text stream would give it."""
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


@cache
def starter() -> Starter:
    """This process's."""
    made = Starter()
    atexit.register(made.close)
    return made


# -- the process that commands are forked from ----------------------------------------------------


def _import_everything() -> None:
    for path in sorted((TOP / "senderkit" / "cli").glob("[a-z]*.py")):
        import_module(f"senderkit.cli.{path.stem}")
    import_module("senderkit.client")


def _serve(control: socket.socket) -> None:
    """Fork for each order until the tests end; returns in the process of a command only."""
    while True:
        order, streams, _, _ = socket.recv_fds(control, _MOST_BYTES, 4)
        if not order:
            os._exit(0)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork() == 0:
            control.close()
            _become(json.loads(order), streams)
            return
        for stream in streams:
            os.close(stream)


def _become(order: dict[str, Any], streams: Sequence[int]) -> None:
    """Returns in the command's process; the one between waits for it and tells how it ended."""
    *standard, report = streams
    pid = os.fork()
    if pid:
        for stream in standard:
            os.close(stream)
        os.write(report, f"{pid}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(report, f"{code}\n".encode())
        os._exit(0)
    os.close(report)
    for number, stream in enumerate(standard):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    sys.argv = ["senderkit", *order["arguments"]]


def _code_of(ended: SystemExit) -> int:
    """As the interpreter has it: anything but a number is told, and is a failure."""
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    sys.stderr.write(f"{ended.code}\n")
    return 1


def _run() -> int:
    """The command, up to what it has others do at its exit; its exit code."""
    code = 0
    try:
        runpy.run_module("senderkit", run_name="__main__", alter_sys=True)
    except SystemExit as error:
        code = _code_of(error)
    except BaseException:  # noqa: BLE001 - told as the interpreter tells of it
        sys.excepthook(*sys.exc_info())
        code = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    _import_everything()
    gc.freeze()  # else each command would look at, and so copy, what it shares with the others
    _serve(socket.socket(fileno=int(sys.argv[1])))
    os._exit(_run())
