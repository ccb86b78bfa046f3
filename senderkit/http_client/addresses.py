"""Which addresses this server calls: a URL or an IP address in, a reason to refuse it out. Pure.

Python's own `is_global` and `is_private` are not asked: they let NAT64, 6to4, IPv4-compatible and
site-local addresses pass, and what they answer changes from one version to the next. Here IPv6 has
a list of what may be called, because nothing outside `2000::/3` is a public host, and IPv4 a list
of what may not.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

import httpx2

from senderkit.errors import DestinationRefused

IPAddress = IPv4Address | IPv6Address

_IPV4_REFUSED: Final = {
    IPv4Network("0.0.0.0/8"): "this network",
    IPv4Network("10.0.0.0/8"): "a private network",
    IPv4Network("100.64.0.0/10"): "a carrier's shared network",
    IPv4Network("127.0.0.0/8"): "this machine itself",
    IPv4Network("168.63.129.16/32"): "a cloud's metadata service",
    IPv4Network("169.254.0.0/16"): "a link-local network, where clouds keep their metadata service",
    IPv4Network("172.16.0.0/12"): "a private network",
    IPv4Network("192.0.0.0/24"): "a range kept for protocols",
    IPv4Network("192.0.2.0/24"): "a range kept for documentation",
    IPv4Network("192.31.196.0/24"): "a sink of the name system",
    IPv4Network("192.52.193.0/24"): "a range kept for multicast relays",
    IPv4Network("192.88.99.0/24"): "a 6to4 relay",
    IPv4Network("192.168.0.0/16"): "a private network",
    IPv4Network("192.175.48.0/24"): "a sink of the name system",
    IPv4Network("198.18.0.0/15"): "a range kept for benchmarks",
    IPv4Network("198.51.100.0/24"): "a range kept for documentation",
    IPv4Network("203.0.113.0/24"): "a range kept for documentation",
    IPv4Network("224.0.0.0/4"): "a multicast group",
    IPv4Network("240.0.0.0/4"): "a reserved range, or the broadcast address",
}

_IPV6_PUBLIC: Final = IPv6Network("2000::/3")

_IPV6_REFUSED: Final = {
    IPv6Network("2001::/23"): "a range kept for protocols such as Teredo",
    IPv6Network("2001:db8::/32"): "a range kept for documentation",
    IPv6Network("2002::/16"): "a 6to4 tunnel",
    IPv6Network("2620:4f:8000::/48"): "a sink of the name system",
    IPv6Network("3ffe::/16"): "a range that was given back",
    IPv6Network("3fff::/20"): "a range kept for documentation",
}

_IPV4_INSIDE: Final = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
"""IPv4-mapped, and NAT64's well-known prefix: whoever calls one of these reaches the IPv4 address
in its last 32 bits, so that address is judged. A name system that translates for an IPv6-only
network answers with the second. Every other range that holds an IPv4 address is refused whole."""

_HOST_NAME: Final = re.compile(r"(?!.*\.\.)[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\.?")
_LONGEST_LABEL: Final = 63


def find_reason_against(address: IPAddress) -> str | None:
    """What this address is instead of a public host, or None when it may be called."""
    if isinstance(address, IPv4Address):
        return next((why for net, why in _IPV4_REFUSED.items() if address in net), None)
    if any(address in net for net in _IPV4_INSIDE):
        return find_reason_against(IPv4Address(int(address) & 0xFFFF_FFFF))
    if address not in _IPV6_PUBLIC:
        return "not in the public part of IPv6"
    return next((why for net, why in _IPV6_REFUSED.items() if address in net), None)


def parse_destination(url: str, *, allow_private: bool) -> httpx2.URL:
    """The URL of a call, checked as far as that goes without asking the name system.

    It must be https, or http where `allow_private` is set, with a host and no user name. Raises
    `DestinationRefused`, whose text holds no more of the URL than its host.
    """
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        raise DestinationRefused("This is not a web address that can be called.") from None
    if parsed.scheme != "https" and not (allow_private and parsed.scheme == "http"):
        schemes = "https:// or http://" if allow_private else "https://"
        raise DestinationRefused(f"The address to call must begin with {schemes}.")
    if parsed.userinfo:
        raise DestinationRefused("The address to call must not hold a user name or password.")
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise DestinationRefused("The port of the address to call must be from 1 to 65535.")
    host = parsed.raw_host.decode("ascii")
    address = _find_literal(host)
    if address is None and not _is_name(host):
        raise DestinationRefused("The host of the address to call is not a name.")
    if address is not None and not allow_private:
        check_address(host, address)
    return parsed


def check_url(url: str) -> None:
    """Raises `DestinationRefused` for what can never be called, whatever the operator allows."""
    parse_destination(url, allow_private=True)


def _find_literal(host: str) -> IPAddress | None:
    try:
        return None if "%" in host else ip_address(host)
    except ValueError:
        return None


def _is_name(host: str) -> bool:
    """Whether this is spelled like a name of the name system, or a number the resolver reads."""
    is_short = all(len(label) <= _LONGEST_LABEL for label in host.split("."))
    return is_short and _HOST_NAME.fullmatch(host) is not None


def check_address(host: str, address: IPAddress) -> None:
    """Raises `DestinationRefused` unless `host` may be called at `address`."""
    if reason := find_reason_against(address):
        raise DestinationRefused(
            f"{host} is not called: it leads to an address that is {reason}. Where such addresses "
            "are meant, the operator sets SENDERKIT_ALLOW_PRIVATE_ADDRESSES=1."
        )
