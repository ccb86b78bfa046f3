"""How often a login may be tried, for each account and for each address that it comes from.

An account that does not exist is counted like any other, so that nothing tells them apart.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from senderkit.commands import normalized_email
from senderkit.domain import Clock
from senderkit.errors import InvalidRequest
from senderkit.rate_limits import Buckets

_MAX_KEY: Final = 254
_IPV6_NETWORK_BITS: Final = 64


class LoginLimits:
    """Guesses at one account are few; an address is shared by an office, so it has more."""

    def __init__(self, clock: Clock) -> None:
        self._accounts = Buckets(per_minute=6, burst=10, clock=clock)
        self._addresses = Buckets(per_minute=20, burst=40, clock=clock)

    def take(self, email: str, address: str) -> float | None:
        """None when a try was left and is now taken, else the seconds until there is one."""
        wait = self._addresses.take(_network(address))
        return self._accounts.take(_account(email)) if wait is None else wait

    def succeeded(self, email: str) -> None:
        """Whoever knows the password has not been guessing."""
        self._accounts.forget(_account(email))


def _account(email: str) -> str:
    """The same for every spelling that finds the same account."""
    try:
        return normalized_email(email)
    except InvalidRequest:
        return email.strip().casefold()[:_MAX_KEY]


def _network(address: str) -> str:
    """An IPv6 host has a whole /64 to itself; a try from each of its addresses is one guesser's."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:_MAX_KEY]
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _IPV6_NETWORK_BITS), strict=False))
