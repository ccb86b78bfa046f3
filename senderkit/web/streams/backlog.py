"""How much of a stream the other side has yet to take.

The server in front buffers whatever it is given, so a client that reads nothing would fill the
memory. How much of it has arrived is asked of the kernel, which counts acknowledged bytes on
Linux. Where that is not to be had, a stream is ended after a fixed amount: its client resumes.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

_LOOK_EVERY_BYTES: Final = 256 * 1024
_MOST_BYTES: Final = 1024 * 1024
_MOST_BYTES_UNSEEN: Final = 4 * 1024 * 1024
_ACKED: Final = struct.Struct("=120xQ")
"""`tcpi_bytes_acked` in Linux's `struct tcp_info`."""


class Backlog:
    """Of one stream to `peer`, the address that the server in front names (`127.0.0.1:50000`)."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._given = 0
        self._looked_at = 0
        self._known: tuple[int, int] | None = None
        self._descriptor = -1

    def is_too_long_after(self, content: bytes) -> bool:
        """Whether the other side is far behind, now that it is given this as well."""
        size = len(content)
        self._given += size + len(f"{size:x}") + 4  # with what frames a chunk
        if self._given - self._looked_at < _LOOK_EVERY_BYTES:
            return False
        self._looked_at = self._given
        acked = self._find_acked()
        if acked is None:
            return self._given > _MOST_BYTES_UNSEEN
        if self._known is None:  # the connection may have carried other answers before
            self._known = self._given, acked
        given_before, acked_before = self._known
        return (self._given - given_before) - (acked - acked_before) > _MOST_BYTES

    def _find_acked(self) -> int | None:
        """Bytes of this connection that the other side's system has acknowledged, ever."""
        if sys.platform != "linux":
            return None
        if not _leads_to(self._descriptor, self._peer):
            self._descriptor = _find_descriptor(self._peer)
        with suppress(OSError, ValueError, struct.error):  # gone, or an old kernel
            return _acked(self._descriptor)
        return None


def _find_descriptor(peer: str) -> int:
    """This process's socket to a peer, -1 when there is none."""
    descriptors = (int(name) for name in os.listdir("/proc/self/fd"))
    return next((number for number in descriptors if _leads_to(number, peer)), -1)


def _leads_to(descriptor: int, peer: str) -> bool:
    if descriptor < 0:
        return False
    with suppress(OSError):  # closed by now, or no socket, or one that listens
        borrowed = socket.socket(fileno=descriptor)
        try:
            if borrowed.family not in {socket.AF_INET, socket.AF_INET6}:
                return False
            host, port = borrowed.getpeername()[:2]
        finally:
            borrowed.detach()  # it is the server's: not ours to close
        return peer in {f"{host}:{port}", f"[{host}]:{port}"}
    return False


def _acked(descriptor: int) -> int:
    borrowed = socket.socket(fileno=descriptor)
    try:
        info = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED.size)
    finally:
        borrowed.detach()
    found: int = _ACKED.unpack(info)[0]
    return found
