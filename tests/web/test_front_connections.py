"""How many clients the front takes at once, over real sockets."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.serving import serving

_CLIENTS: Final = 600
_REQUEST: Final = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_hundreds_of_clients_at_once_all_get_an_answer(tmp_path: Path) -> None:
    with serving(tmp_path) as server, ExitStack() as stack:
        clients = [_connect(server.port, stack) for _ in range(_CLIENTS)]
        for client in clients:
            client.sendall(_REQUEST)

        assert [client.recv(12) for client in clients] == [b"HTTP/1.1 200"] * _CLIENTS


def _connect(port: int, stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
