"""URLs that must lead nowhere, and a canary on every local address that hears if one does.

Two groups: `LOCAL` leads to this machine wherever nobody stands guard, which the tests prove with
the guard lifted; `ELSEWHERE` leads to other addresses that are nobody's public host, or is no
usable URL at all. `{port}` is the canary's.
"""

from __future__ import annotations

import errno
import itertools
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from senderkit.http_client.network import Target, resolve

PUBLIC: Final = "93.184.215.14"
"""Somebody's public address. Nothing is ever sent there: it stands for what may be called."""

NAMES: Final = {
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1"],
    "localhost.localdomain": ["127.0.0.1"],
    "ip6-localhost": ["::1"],
    "api.localhost": ["127.0.0.1"],
    "127.0.0.1.rebind.example": ["127.0.0.1"],
    "127-0-0-1.rebind.example": ["127.0.0.1"],
    "loopback.example": ["127.0.0.1"],
    "loopback6.example": ["::1"],
    "loopback.example.": ["127.0.0.1"],
    "my_service.example": ["127.0.0.1"],
    "xn--bcher-kva.example": ["127.0.0.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "unspecified.example": ["0.0.0.0"],  # noqa: S104 - an answer, nobody binds to it
    "first-private.example": ["127.0.0.1", PUBLIC],
    "public.example": [PUBLIC],
    "last-private.example": [PUBLIC, "127.0.0.1"],
    "mixed-families.example": [PUBLIC, "::1"],
    "private.example": ["10.0.0.8"],
    "ula.example": ["fd12:3456:789a::1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "sixtofour.example": ["2002:7f00:1::"],
    "metadata.google.internal": ["169.254.169.254"],
    "instance-data": ["169.254.169.254"],
    "kubernetes.default.svc": ["10.96.0.1"],
    "host.docker.internal": ["192.168.65.2"],
    "carrier.example": ["100.64.0.7"],
}
"""What the tests' name system knows; every other name has no address."""


def resolve_offline(host: str, port: int) -> list[Target]:
    """Like the system: numbers in any spelling are addresses, names are looked up in `NAMES`."""
    if host in NAMES:
        return [target for address in NAMES[host] for target in resolve(address, port)]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return [Target(family, sockaddr) for family, _, _, _, sockaddr in found]


_LOOPBACK_HOSTS: Final = (
    *("127.0.0.1", "127.0.0.2", "127.127.127.127", "127.255.255.254"),
    *("127.1", "127.0.1", "2130706433", "0x7f000001", "0x7F000001", "017700000001"),
    *("0x7f.0.0.1", "0x7f.0x0.0x0.0x1", "0177.0x0.0.1", "0177.0.1", "0x7f.1", "0177.1"),
    *("127.0x1", "127.0.1.1", "127.0.01", "00000177.1"),
    *("0", "0.0.0.0", "0x0", "00", "0.0", "000.000.0", "0x00000000"),  # noqa: S104
    *("127。0。0。1", "127.0.0。1"),
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]", "[::0001]"),
    *("[::]", "[0:0:0:0:0:0:0:0]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::FFFF:7F00:0001]"),
    *("[0:0:0:0:0:ffff:127.0.0.1]", "[::ffff:0.0.0.0]"),
    *("localhost", "LOCALHOST", "LocalHost", "localhost.", "localhost.localdomain"),
    *("ip6-localhost", "api.localhost", "127.0.0.1.rebind.example", "127-0-0-1.rebind.example"),
    *("loopback.example", "loopback6.example", "loopback.example.", "LOOPBACK.example"),
    *("my_service.example", "bücher.example", "BÜCHER.example", "xn--bcher-kva.example"),
    *("mapped.example", "unspecified.example", "first-private.example"),
)

_OTHER_HOSTS: Final = (
    # this network, private, shared, link-local and metadata
    *("0.1.2.3", "10.0.0.1", "10.255.255.255", "10.1", "167772161", "0x0a000001", "012.0.0.1"),
    *("172.16.0.1", "172.31.255.255", "172.20.10.1", "192.168.0.1", "192.168.255.255"),
    *("3232235777", "192.168.257", "0xc0.0xa8.1.1", "100.64.0.1", "100.127.255.255"),
    *("100.100.100.200", "169.254.0.1", "169.254.169.254", "2852039166", "0xa9fea9fe"),
    *("0xA9.0xFE.0xA9.0xFE", "0251.0376.0251.0376", "169.254.43518", "169.16689662"),
    *("169.254.170.2", "168.63.129.16", "192.0.0.192"),
    # reserved, documentation, benchmarks, relays, multicast, broadcast
    *("192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255"),
    *("192.88.99.1", "192.31.196.1", "192.52.193.1", "192.175.48.1", "224.0.0.1"),
    *("239.255.255.250", "240.0.0.1", "255.255.255.254", "255.255.255.255", "4294967295"),
    # IPv6: embedded IPv4
    *("[::127.0.0.1]", "[::7f00:1]", "[::10.0.0.1]", "[::ffff:0:127.0.0.1]"),
    *("[::ffff:10.0.0.1]", "[::ffff:a9fe:a9fe]", "[::ffff:169.254.169.254]", "[::ffff:c0a8:101]"),
    *("[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b::10.0.0.1]"),
    *("[64:ff9b:1::127.0.0.1]", "[64:ff9b:1:ffff::7f00:1]", "[64:ff9b:1::5db8:d70e]"),
    *("[2002:7f00:1::]", "[2002:a00:1::1]", "[2002:a9fe:a9fe::]", "[2002:5db8:d70e::]"),
    *("[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[2001::1]", "[2001:0:7f00:1::]"),
    # IPv6: the other ranges
    *("[fe80::1]", "[fe80::a9fe:a9fe]", "[febf::1]", "[fec0::1]", "[feff::1]", "[fc00::1]"),
    *("[fd00::2]", "[fd00:ec2::254]", "[fdff:ffff::1]", "[ff01::1]", "[ff02::1]", "[ff0e::1]"),
    *("[100::1]", "[100:0:0:1::1]", "[2001:2::1]", "[2001:3::1]", "[2001:4:112::1]"),
    *("[2001:10::1]", "[2001:20::1]", "[2001:30::1]", "[2001:db8::1]", "[3fff::1]", "[3ffe::1]"),
    *("[2620:4f:8000::1]", "[5f00::1]", "[200::1]", "[400::1]", "[4000::1]", "[8000::1]"),
    *("[c000::1]", "[e000::1]", "[f000::1]", "[f800::1]", "[fe00::1]"),
    # names
    *("last-private.example", "mixed-families.example", "private.example", "ula.example"),
    *("nat64.example", "sixtofour.example", "metadata.google.internal", "instance-data"),
    *("kubernetes.default.svc", "host.docker.internal", "carrier.example"),
    # what looks like a host and is none
    *("①②⑦.⓪.⓪.①", "\uff11\uff12\uff17.0.0.1", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "local\u00adhost", "\uff4cocalhost"),
    *("%31%32%37.0.0.1", "%6cocalhost", "127.0.0.1%00.example", "127.0.0.1%2f.example"),
    *("0177.0.0.1", "0177.0.0.01", "127.0.0.01", "00000177.0.0.1", "000.000.000.000"),
    *(
        "[::ffff:127.127.127.127]",
        "127.0.0.256",
        "127.0.0.1.1",
        "127..1",
        ".127.0.0.1",
        "127.0.0.1..",
        "127.0.0.1.",
        "0x",
    ),
    *("4294967297", "0x17f000001", "127.0.0.0x1g", "[::1%25lo]", "[::1%lo]", "[fe80::1%25eth0]"),
    *("[127.0.0.1]", "[::1", "::1", "[::1]]", "[v1.127.0.0.1]", "localhost local", "", "a" * 64),
)

_OTHER_URLS: Final = (
    "https://public.example@127.0.0.1:{port}/",
    "https://public.example:443@127.0.0.1:{port}/",
    "https://user:password@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}\\@public.example/",
    "https://public.example\\@127.0.0.1:{port}/",
    "https://127.0.0.1%2f@public.example/",
    "https://127.0.0.1:{port}:443/",
    "https://127.0.0.1:0x50/",
    "https://127.0.0.1:99999/",
    "https://127.0.0.1:-1/",
    "https://127.0.0.1:0/",
    "https://public.example:0/",
    "https:///127.0.0.1:{port}/",
    "https:/127.0.0.1:{port}/",
    "https:127.0.0.1:{port}/",
    "https:\\\\127.0.0.1:{port}\\",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}/",
    " https://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}\t/",
    "https://127.0.0.1:{port}/\r\nHost: public.example",
    "ht\ntps://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/",
    "http://public.example/",
    "http://localhost:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_QUIT",
    "dict://127.0.0.1:{port}/info",
    "ldap://127.0.0.1:{port}/",
    "ws://127.0.0.1:{port}/",
    "wss://127.0.0.1:{port}/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
    "javascript:alert(1)",
    "data:text/plain,hello",
    "",
)

LOCAL: Final = (
    *(f"https://{host}:{{port}}/" for host in _LOOPBACK_HOSTS),
    "HTTPS://127.0.0.1:{port}/",
    "https://127.0.0.1:0{port}/",
    "https://127.0.0.1:{port}",
    "https://127.0.0.1:{port}?@public.example/",
    "https://127.0.0.1:{port}#@public.example/",
    "https://127.0.0.1:{port}/../..//public.example",
)
ELSEWHERE: Final = (*(f"https://{host}:{{port}}/" for host in _OTHER_HOSTS), *_OTHER_URLS)
HOSTILE: Final = (*LOCAL, *ELSEWHERE)


class Canary:
    """Listens on every address of this machine, on one port, and hears of each connection."""

    def __enter__(self) -> Self:
        for port in itertools.count(41_000):
            try:
                self._listeners = [
                    socket.create_server(("", port)),
                    socket.create_server(("::", port), family=socket.AF_INET6),
                ]
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                break
        self.port = port
        for listener in self._listeners:
            listener.setblocking(False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for listener in self._listeners:
            listener.close()

    def heard(self) -> int:
        """How many connections have come since the last question. The kernel has taken them
        before whoever connects goes on, so there is nothing to wait for."""
        return sum(1 for listener in self._listeners for _ in _accepted(listener))


def _accepted(listener: socket.socket) -> Iterator[None]:
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return
        yield


def own_addresses() -> list[str]:
    """The addresses from which this machine would call others."""
    found = []
    for family, elsewhere in ((socket.AF_INET, PUBLIC), (socket.AF_INET6, "2606:4700::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((elsewhere, 9))
            except OSError:
                continue  # a machine may have one family only
            found.append(str(probe.getsockname()[0]))
    return found
