"""What a request tells of somebody's place: where they are, where they want to go, and under which
address they see this server.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from flask import Request

_FORWARDED: Final = frozenset(
    {
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-host",
        "true-client-ip",
        "cf-connecting-ip",
        "fastly-client-ip",
        "fly-client-ip",
    }
)


def is_from_this_machine(request: Request) -> bool:
    """Whether a person sits at the very machine: behind a proxy everybody looks local.

    The peer is the loopback, so is the name that they typed, and nothing speaks of a proxy: no
    header, and no HTTP/1.0, which proxies speak by default and browsers never do.
    """
    return (
        is_loopback(request.remote_addr or "")
        and is_loopback(_host_name(request))
        and request.environ.get("SERVER_PROTOCOL") != "HTTP/1.0"
        and not any(_is_of_proxy(name.lower()) for name, _ in request.headers)
    )


def _host_name(request: Request) -> str:
    try:
        return urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
    except ValueError:
        return ""


def is_loopback(name: str) -> bool:
    """Whether a host name or address is this machine itself."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_of_proxy(header: str) -> bool:
    return header.startswith("x-forwarded") or header in _FORWARDED


def local_path(wanted: str) -> str:
    """`wanted` when it is a path of this server, else the start page.

    Browsers read a backslash as a slash and drop control characters: `/\\t/evil.example` is an
    address of another server.
    """
    is_path = wanted.startswith("/") and not wanted.startswith("//")
    is_plain = wanted.isprintable() and "\\" not in wanted
    return wanted if is_path and is_plain else "/"


def base_url(request: Request, public_url: str) -> str:
    """This server's address for the lines to paste.

    The public address when there is one: apps use it, and only it is sure to be https behind a
    proxy. A loopback address is nobody's public one (it is the default): then it is the address
    that the browser itself used, which a form names in `Origin` and the guard has checked.
    """
    if not is_loopback(urlsplit(public_url).hostname or ""):
        return public_url
    return request.headers.get("Origin") or request.host_url.rstrip("/")
