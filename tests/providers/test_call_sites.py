"""Every place that calls out, and every address in the corpus: a list that misses one fails.

The one client that calls out is handed a `Request`, so a call site is a place that makes one. Mail
servers are the only other way out: their host is entered by an owner, and most stand in the
owner's own network, so no address is refused there.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

import senderkit
from senderkit.domain import Outgoing
from senderkit.errors import CallbackRefused, DeliveryError, OutcomeUnknown, Unavailable
from senderkit.http_client import HttpClient, Reply, Request, Timeouts
from senderkit.http_client.network import Resolver, Target, resolve
from senderkit.providers import PROVIDERS, get_provider
from senderkit.providers.base import Adapter, FieldType
from tests.fakes_http import FakeProvider
from tests.fakes_sns import (
    CERTIFICATE_PATH,
    HOST,
    control,
    notification,
    resolver_to,
    signed,
)
from tests.hostile import HOSTILE, NAMES, Canary, resolve_offline
from tests.providers.benches import BENCHES
from tests.providers.benches.base import HttpBench
from tests.providers.conftest import NOON

TOP: Final = Path(senderkit.__file__).parent
CERTIFICATE: Final = f"https://{HOST}{CERTIFICATE_PATH}"


Use = Callable[[Adapter, Outgoing, str], object]


@dataclass(frozen=True)
class Way:
    """How an address that somebody chose comes to be called: it stands in a field of the
    connection, or else in the message or the callback."""

    provider: str
    use: Use
    field: str = "base_url"

    def __str__(self) -> str:
        return f"{self.provider} {self.use.__name__}"


def send(adapter: Adapter, outgoing: Outgoing, url: str) -> object:
    return adapter.send(outgoing)


def check(adapter: Adapter, outgoing: Outgoing, url: str) -> object:
    return adapter.check()


def ask_for_receipts(adapter: Adapter, outgoing: Outgoing, url: str) -> object:
    return adapter.receipts_of(["1"])


def fetch_certificate(adapter: Adapter, outgoing: Outgoing, url: str) -> object:
    return adapter.events_from(signed(notification("{}", SigningCertURL=url)))


def confirm(adapter: Adapter, outgoing: Outgoing, url: str) -> object:
    return adapter.events_from(signed(control(SubscribeURL=url)))


SITES: Final[dict[str, tuple[Way, ...]]] = {
    "apns ApnsAdapter._request url": (Way("apns", send), Way("apns", check)),
    "aws SnsTopic._ask url": (Way("ses", fetch_certificate, ""), Way("ses", confirm, "")),
    "expo ExpoAdapter._request self._url(path)": (
        *(Way("expo", send), Way("expo", check), Way("expo", ask_for_receipts)),
    ),
    "fcm FcmAdapter._ask url": (Way("fcm", send), Way("fcm", check)),
    "fcm FcmAdapter._mint self._credentials['token_url']": (Way("fcm", send, "token_url"),),
    "mailgun MailgunAdapter._post url": (Way("mailgun", send),),
    "mailgun MailgunAdapter.check self._url(f'/v4/domains/{domain}')": (Way("mailgun", check),),
    "messagebird MessageBirdAdapter.check self._url('/balance')": (Way("messagebird", check),),
    "messagebird MessageBirdAdapter.send self._url('/messages')": (Way("messagebird", send),),
    "postmark PostmarkAdapter._read self._url(path)": (Way("postmark", check),),
    "postmark PostmarkAdapter.send self._url('/email')": (Way("postmark", send),),
    "resend ResendAdapter.check self._url('/domains')": (Way("resend", check),),
    "resend ResendAdapter.send self._url('/emails')": (Way("resend", send),),
    "sendgrid SendGridAdapter.check self._url('/v3/scopes')": (Way("sendgrid", check),),
    "sendgrid SendGridAdapter.send url": (Way("sendgrid", send),),
    "ses SesAdapter.check self._url('/v2/email/account')": (Way("ses", check),),
    "ses SesAdapter.send url": (Way("ses", send),),
    "sns SnsAdapter.check self._url(f'/?{query}')": (Way("sns", check),),
    "sns SnsAdapter.send self._url('/')": (Way("sns", send),),
    "sparkpost SparkPostAdapter.check self._url('/api/v1/sending-domains')": (
        Way("sparkpost", check),
    ),
    "sparkpost SparkPostAdapter.send url": (Way("sparkpost", send),),
    "twilio TwilioAdapter._read url": (Way("twilio", check),),
    "twilio TwilioAdapter.send url": (Way("twilio", send),),
    "vonage VonageAdapter.check self._url(path)": (Way("vonage", check),),
    "vonage VonageAdapter.send self._url('/v1/messages')": (Way("vonage", send),),
    "web_push WebPushAdapter.send subscription.endpoint": (Way("web_push", send, ""),),
}
"""The module, the function and where it has the address from, and the ways to get there."""

ELSEWHERE: Final = {
    "webhook_calls WebhookCalls._call target.url": "the corpus as endpoints: tests/webhooks",
}
"""Places whose addresses are tried by a test of their own."""

WAYS: Final = [(site, way) for site, ways in SITES.items() for way in ways]

SOCKETS: Final = {
    "cli.serving": "listens",
    "http_client.network": "judges every address",
    "providers.smtp_sessions": "mail servers, see above",
    "web.streams.backlog": "asks the kernel about connections that others opened",
}
"""The modules that open a socket themselves."""


# -- the list is whole ------------------------------------------------------------------------


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the server by its name below `senderkit`; the client runs elsewhere."""
    for path in sorted(TOP.rglob("*.py")):
        name = ".".join(path.relative_to(TOP).with_suffix("").parts)
        if not name.startswith("client."):
            yield name, ast.parse(path.read_text("utf-8"))


def requests_made_in(name: str, tree: ast.AST, place: str = "") -> Iterator[str]:
    """`module function address` for each `Request` that is made there."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield from requests_made_in(name, node, f"{place}.{node.name}".lstrip("."))
            continue
        if isinstance(node, ast.Call) and (position := _position_of_address(node.func)) >= 0:
            yield f"{name.rpartition('.')[2]} {place} {ast.unparse(node.args[position])}"
        yield from requests_made_in(name, node, place)


def _position_of_address(called: ast.expr) -> int:
    """Which argument is the address, or -1 where nothing of `Request` is called."""
    made = ast.unparse(called)
    return 1 if made == "Request" else 0 if made.startswith("Request.") else -1


def imports_of(tree: ast.AST) -> set[str]:
    nodes = list(ast.walk(tree))
    plain = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
    return plain | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


def test_every_place_that_makes_a_request_is_listed() -> None:
    found = {
        site
        for name, tree in modules()
        if not name.startswith("http_client")
        for site in requests_made_in(name, tree)
    }
    assert found == set(SITES) | set(ELSEWHERE)


def test_a_new_place_would_be_found() -> None:
    tree = ast.parse("class A:\n  def b(self):\n    return [self._call(Request('GET', c.url))]")
    assert list(requests_made_in("providers.x", tree)) == ["x A.b c.url"]
    tree = ast.parse("def b():\n  http.send(Request.post_json(made(of), {}))")
    assert list(requests_made_in("services.x", tree)) == ["x b made(of)"]


def test_nothing_else_opens_a_socket() -> None:
    doors = {"socket", "smtplib", "socketserver", "http.client", "urllib.request", "ftplib"}
    found = {name for name, tree in modules() if imports_of(tree) & doors}
    assert found == set(SOCKETS)


def test_every_field_that_names_a_server_of_the_providers_is_a_way() -> None:
    # A provider is told its callback address and calls that one itself.
    fields = {
        (name, field.name)
        for name, provider in PROVIDERS.items()
        for field in provider.fields
        if field.type is FieldType.URL and field.name != "callback_url"
    }
    assert fields == {(way.provider, way.field) for _, way in WAYS if way.field}


# -- every place, every address ---------------------------------------------------------------


class Guarded(HttpClient):
    """The guarded client, but for these addresses, which an open one calls: what must have
    succeeded before the call in question."""

    def __init__(self, resolver: Resolver, before: HttpClient, trusted: set[str]) -> None:
        super().__init__(resolver=resolver, timeouts=Timeouts(connect_seconds=1))
        self._before = before
        self._trusted = trusted

    def send(self, request: Request, timeouts: Timeouts | None = None) -> Reply:
        if request.url in self._trusted:
            return self._before.send(request, timeouts)
        return super().send(request, timeouts)


Call = Callable[[str], object]


@contextmanager
def staged(way: Way, sns: FakeProvider, resolver: Resolver = resolve_offline) -> Iterator[Call]:
    """Goes this way with an address; all that comes before the call in question succeeds."""
    provider, bench = get_provider(way.provider), BENCHES[way.provider]()
    assert isinstance(bench, HttpBench)
    before = {f"{bench.server.url}/token"} | ({CERTIFICATE} if way.use is confirm else set())
    values = provider.validate(bench.credentials)
    with ExitStack() as open_:
        open_.enter_context(bench.running())
        client = HttpClient(allow_private_addresses=True, resolver=resolver_to(sns))
        open_.enter_context(closing(client))
        guarded = open_.enter_context(closing(Guarded(resolver, client, before)))

        def call(url: str) -> object:
            # What a form refuses is not refused here: the guard must stand by itself.
            aimed = values | ({way.field: url} if way.field else {})
            _, outgoing = bench.aimed_at(url, provider.channel)
            adapter = provider.make_adapter(aimed, lambda: NOON, guarded)
            return way.use(adapter, outgoing, url)

        yield call


@pytest.mark.parametrize("way", [way for _, way in WAYS], ids=str)
def test_no_address_of_the_corpus_is_reached(way: Way, sns: FakeProvider, canary: Canary) -> None:
    with staged(way, sns) as call:
        for url in filter(None, HOSTILE):
            with pytest.raises((DeliveryError, CallbackRefused)) as raised:
                call(url.replace("{port}", str(canary.port)))
            assert not isinstance(raised.value, OutcomeUnknown)
            assert canary.heard() == 0, url


AT_SNS: Final[dict[Use, str]] = {
    fetch_certificate: CERTIFICATE,
    confirm: str(control()["SubscribeURL"]),
}
"""The addresses that lead to Amazon SNS by their name, where no other is called at all."""


@pytest.mark.parametrize("way", SITES["aws SnsTopic._ask url"], ids=str)
@pytest.mark.parametrize("name", [name for name in NAMES if name != "public.example"])
def test_amazons_own_name_is_not_called_where_it_leads_inside(
    way: Way, name: str, sns: FakeProvider, canary: Canary
) -> None:
    def resolver(_host: str, _port: int) -> list[Target]:
        return [target for each in NAMES[name] for target in resolve(each, canary.port)]

    with staged(way, sns, resolver) as call, pytest.raises(Unavailable, match="is not called"):
        call(AT_SNS[way.use])
    assert canary.heard() == 0


@pytest.mark.parametrize(("site", "way"), WAYS, ids=str)
def test_each_way_leads_to_its_place(
    site: str, way: Way, sns: FakeProvider, canary: Canary
) -> None:
    def resolver(_host: str, _port: int) -> list[Target]:
        return resolve("127.0.0.1", canary.port)

    with staged(way, sns, resolver) as call, called_functions() as called:
        url = AT_SNS.get(way.use, f"https://127.0.0.1:{canary.port}/")
        with pytest.raises(DeliveryError, match=r"is not called|begin with"):
            call(url)
    module, function, _ = site.split(" ", 2)
    assert (f"senderkit.providers.{module}", function) in called


@contextmanager
def called_functions() -> Iterator[set[tuple[str, str]]]:
    """Module and name of each function that this thread calls meanwhile."""
    called: set[tuple[str, str]] = set()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            called.add((str(frame.f_globals.get("__name__")), frame.f_code.co_qualname))

    previous = sys.getprofile()
    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(previous)
