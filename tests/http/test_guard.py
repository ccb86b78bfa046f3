"""Which addresses the client calls: real sockets, and a canary on every local one."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from senderkit.errors import DestinationRefused, Unavailable
from senderkit.http_client import HttpClient, Request, Timeouts
from senderkit.http_client.addresses import find_reason_against
from senderkit.http_client.network import Target, is_own, resolve
from tests.fakes import Authority
from tests.fakes_http import Answer, FakeProvider
from tests.hostile import (
    ELSEWHERE,
    HOSTILE,
    LOCAL,
    PUBLIC,
    Canary,
    own_addresses,
    resolve_offline,
)
from tests.http.conftest import QUICK, MakeClient

BRIEF = Timeouts(connect_seconds=0.05, read_seconds=0.05, total_seconds=0.1)


@pytest.fixture
def guarded(make_client: MakeClient) -> HttpClient:
    return make_client(allow_private_addresses=False, resolver=resolve_offline, timeouts=QUICK)


def test_the_corpus_has_enough_urls_and_none_twice() -> None:
    assert len(HOSTILE) == len(set(HOSTILE))
    assert len(HOSTILE) >= 150


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_reaches_nobody(url: str, guarded: HttpClient, canary: Canary) -> None:
    with pytest.raises((DestinationRefused, Unavailable)) as raised:
        guarded.send(Request("POST", url.replace("{port}", str(canary.port)), body=b"{}"))
    assert canary.heard() == 0
    if isinstance(raised.value, Unavailable):
        # Nothing but a name without an address may get that far.
        assert "could not be looked up" in str(raised.value)


@pytest.mark.parametrize("url", LOCAL)
def test_without_the_guard_the_same_url_reaches_this_machine(
    url: str, make_client: MakeClient, canary: Canary
) -> None:
    client = make_client(resolver=resolve_offline, timeouts=Timeouts(read_seconds=0.02))
    plain = url.replace("{port}", str(canary.port)).replace("s:", ":", 1).replace("S:", ":", 1)
    with pytest.raises(Unavailable, match="did not answer in time"):
        client.send(Request("GET", plain))
    assert canary.heard() == 1


def test_the_system_itself_reads_local_names_and_the_guard_hears_it(
    make_client: MakeClient, canary: Canary
) -> None:
    client = make_client(allow_private_addresses=False)
    for host in ("localhost", socket.gethostname(), *own_addresses()):
        shown = f"[{host}]" if ":" in host else host
        with pytest.raises((DestinationRefused, Unavailable)):
            client.send(Request("GET", f"https://{shown}:{canary.port}/"))
    assert canary.heard() == 0


@pytest.mark.parametrize("address", [*own_addresses(), "127.0.0.2", "::1"])
def test_a_public_address_of_this_machine_itself_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch, make_client: MakeClient, canary: Canary
) -> None:
    # As if this address, whatever it is, stood in no special range.
    monkeypatch.setattr("senderkit.http_client.network.check_address", lambda host, address: None)
    client = make_client(
        allow_private_addresses=False, resolver=lambda host, port: [target(address, port)]
    )
    with pytest.raises(DestinationRefused, match="this machine"):
        client.send(Request("GET", f"https://own.example:{canary.port}/"))
    assert canary.heard() == 0


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::1111"])
def test_an_address_of_somebody_else_is_not_our_own(address: str) -> None:
    assert not is_own(target(address, 443))


# -- names that change their answer ---------------------------------------------------------------


def target(address: str, port: int) -> Target:
    return resolve(address, port)[0]


def rebinding(*answers: str) -> Callable[[str, int], list[Target]]:
    """A name system that gives one answer after the other."""
    rest = iter(answers)
    return lambda host, port: [target(next(rest), port)]


@pytest.mark.parametrize("local", ["127.0.0.1", "::1", "0.0.0.0", "::ffff:127.0.0.1"])  # noqa: S104
def test_a_name_that_turns_to_this_machine_is_asked_once_for_each_connection(
    local: str, make_client: MakeClient, canary: Canary
) -> None:
    client = make_client(
        allow_private_addresses=False, resolver=rebinding(PUBLIC, local), timeouts=BRIEF
    )
    request = Request("GET", f"https://rebind.example:{canary.port}/")
    with pytest.raises(Unavailable):  # nobody listens there, or nobody is there at all
        client.send(request)
    with pytest.raises(DestinationRefused, match=r"this (machine|network)|IPv6"):
        client.send(request)
    assert canary.heard() == 0


class Shifty(Sequence[Target]):
    """An answer that says something else each time it is read."""

    def __init__(self, *readings: list[Target]) -> None:
        self._readings = list(readings)

    def __iter__(self) -> Iterator[Target]:
        return iter(self._readings.pop(0))

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]


def test_the_address_that_was_judged_is_the_one_that_is_called(
    make_client: MakeClient, canary: Canary
) -> None:
    answer = Shifty([target(PUBLIC, canary.port)], [target("127.0.0.1", canary.port)])
    client = make_client(
        allow_private_addresses=False, resolver=lambda host, port: answer, timeouts=BRIEF
    )
    with pytest.raises(Unavailable):
        client.send(Request("GET", f"https://shifty.example:{canary.port}/"))
    assert canary.heard() == 0


def test_the_name_stays_in_tls_and_in_the_host_header(
    make_client: MakeClient, trusted: Authority
) -> None:
    asked: list[str] = []

    def resolver(host: str, port: int) -> list[Target]:
        asked.append(host)
        return [target("127.0.0.1", port)]

    with FakeProvider(tls=trusted.server_context("api.provider.example")) as provider:
        provider.answer("GET /", Answer())
        url = f"https://api.provider.example:{provider.port}/"
        client = make_client(resolver=resolver)
        assert client.send(Request("GET", url)).status == 200
        assert client.send(Request("GET", url)).status == 200
        assert provider.requests[0].headers["host"] == f"api.provider.example:{provider.port}"
        assert provider.connections == len(asked) == 1


# -- nothing else leads away either ---------------------------------------------------------------


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(
    status: int, client: HttpClient, provider: FakeProvider, canary: Canary
) -> None:
    location = f"http://127.0.0.1:{canary.port}/"
    provider.answer("* /moved", Answer(status, headers={"Location": location}))
    for method in ("GET", "POST"):
        reply = client.send(Request(method, f"{provider.url}/moved", body=b"x"))
        assert (reply.status, reply.headers["location"]) == (status, location)
    assert canary.heard() == 0


def test_a_proxy_of_the_environment_is_not_used(
    make_client: MakeClient,
    provider: FakeProvider,
    canary: Canary,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
        monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{canary.port}")
    provider.answer("GET /", Answer())
    assert make_client().send(Request("GET", f"{provider.url}/")).status == 200
    assert canary.heard() == 0


# -- the ranges -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "8.8.8.8", PUBLIC, "9.255.255.255", "11.0.0.0", "100.63.255.255"),
        *("100.128.0.0", "126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17"),
        *("169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255"),
        *("192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255"),
        *("198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0"),
        *("223.255.255.255", "2000::1", "2001:200::1", "2001:db7::1", "2001:db9::1", "2003::1"),
        *("2606:4700:4700::1111", "2a00:1450:4001::200e", "3ffd::1", "3fff:1000::1"),
        *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
    ],
)
def test_a_public_address_may_be_called(address: str) -> None:
    assert find_reason_against(ipaddress.ip_address(address)) is None


def test_whatever_python_calls_special_is_refused_too() -> None:
    """All /16 and /8 starts of IPv4, and a spread of IPv6 prefixes: ours is never the laxer."""
    addresses: list[Any] = [ipaddress.IPv4Address(number << 16) for number in range(1 << 16)]
    addresses += [ipaddress.IPv6Address(number << 112) for number in range(1 << 16)]
    addresses += [ipaddress.IPv6Address((0x2001 << 112) + (n << 96)) for n in range(1 << 16)]
    laxer = [
        address
        for address in addresses
        if not address.is_global and find_reason_against(address) is None
    ]
    assert laxer == []


def test_every_refusal_gives_its_reason_and_the_way_out(guarded: HttpClient) -> None:
    for url in ("https://10.0.0.1/", "https://private.example/secret?token=s3cr3t"):
        with pytest.raises(DestinationRefused) as raised:
            guarded.send(Request("GET", url))
        assert "a private network" in str(raised.value)
        assert "SENDERKIT_ALLOW_PRIVATE_ADDRESSES=1" in str(raised.value)
        assert "s3cr3t" not in str(raised.value)


def test_an_address_that_stands_in_the_url_itself_is_refused_without_a_look_up(
    make_client: MakeClient,
) -> None:
    asked: list[str] = []

    def resolver(host: str, port: int) -> list[Target]:
        asked.append(host)
        return [target(PUBLIC, port)]

    client = make_client(allow_private_addresses=False, resolver=resolver)
    for host in ("127.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "169.254.169.254"):
        with pytest.raises(DestinationRefused):
            client.send(Request("GET", f"https://{host}/"))
    assert asked == []


def test_no_refusal_repeats_a_path_a_query_or_a_password(guarded: HttpClient) -> None:
    for url in ELSEWHERE:
        secret = url.replace("{port}", "443") + "/s3cr3t?token=s3cr3t"
        with pytest.raises((DestinationRefused, Unavailable)) as raised:
            guarded.send(Request("GET", secret))
        assert "s3cr3t" not in str(raised.value)
        assert "password@" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://[::1%25lo]/",
            "http://[::1%lo]/",
            "http://user@127.0.0.1/",
            "http://127.0.0.1:0/",
        ),
        *("ftp://127.0.0.1/", "http://a_b%2f.example/", "http://", "http:///x", "http://a..b/"),
    ],
)
def test_what_is_no_usable_address_is_refused_even_there(url: str, client: HttpClient) -> None:
    with pytest.raises(DestinationRefused):
        client.send(Request("GET", url))


def test_a_private_address_may_be_called_over_plain_http_where_the_operator_says_so(
    client: HttpClient, provider: FakeProvider
) -> None:
    provider.answer("GET /", Answer(204))
    assert client.send(Request("GET", f"{provider.url}/")).status == 204
