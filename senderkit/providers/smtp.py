"""Email through any mail server: the fields, the URL of the environment and the adapter."""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from senderkit.domain import Channel, Clock, Outgoing, Receipt
from senderkit.errors import InvalidRequest, Issue, SettingsError
from senderkit.http_client import HttpClient
from senderkit.providers.base import Adapter, Capability, Field, FieldType, Provider
from senderkit.providers.mailboxes import sender_issues
from senderkit.providers.mime import build_email
from senderkit.providers.smtp_pool import Pool
from senderkit.providers.smtp_replies import ConnectionClosed
from senderkit.providers.smtp_sessions import MailServer, Session

_HOST: Final = re.compile(
    r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?"
)
_URL_NAME: Final = "SENDERKIT_SMTP_URL"
_SHAPE: Final = "smtp://user:password@host:587 or smtps://user:password@host:465"
_PERCENT_HINT: Final = (
    "Characters such as / ? # @ : % in the user name or password must be percent-encoded."
)


class SmtpAdapter(Adapter):
    """Sends through one mail server. Every connection it opens serves many messages."""

    def __init__(self, server: MailServer, default_from: str, clock: Clock, pool: Pool) -> None:
        self._server = server
        self._default_from = default_from
        self._clock = clock
        self._pool = pool

    def send(self, outgoing: Outgoing) -> Receipt:
        email = build_email(outgoing, default_from=self._default_from, at=self._clock())
        # A server may close an idle connection at any time: that costs one fresh try.
        with suppress(ConnectionClosed), self._pool.reused() as session:
            if session is not None:
                return session.deliver(email)
        with self._pool.fresh() as session:
            return session.deliver(email)

    def check(self) -> None:
        session = Session(self._server)
        try:
            session.check()
        finally:
            session.quit()

    def close(self) -> None:
        self._pool.close()


class SmtpProvider(Provider):
    name = "smtp"
    label = "SMTP"
    channel = Channel.EMAIL
    capabilities = frozenset(
        {Capability.ATTACHMENTS, Capability.COPIES, Capability.LIST_UNSUBSCRIBE}
    )
    callback_help = (
        "A mail server reports nothing back: a message stays at sent. What bounces later comes as "
        "mail to the sender's address."
    )
    fields = (
        Field(
            "host",
            "Host",
            "The mail server's name, such as smtp.acme.example.",
            is_required=True,
        ),
        Field(
            "port",
            "Port",
            "587 goes with STARTTLS, 465 with TLS.",
            type=FieldType.NUMBER,
            is_required=True,
            default="587",
            maximum=65_535,
        ),
        Field(
            "security",
            "Encryption",
            "starttls begins in plain text and insists on encryption; tls encrypts from the first "
            "byte; none sends mail and password readable, for a relay on your own machine.",
            type=FieldType.CHOICE,
            is_required=True,
            default="starttls",
            choices=("starttls", "tls", "none"),
        ),
        Field(
            "verify",
            "Check the certificate",
            "Say no only for a server of your own whose certificate nobody has signed.",
            type=FieldType.CHOICE,
            is_required=True,
            default="yes",
            choices=("yes", "no"),
        ),
        Field("username", "User name", "Empty if the server asks for no login."),
        Field("password", "Password", "Belongs to the user name.", is_secret=True),
        Field(
            "from",
            "Sender",
            "Used when a message names none, such as Acme <hello@acme.example>.",
            is_required=True,
        ),
    )

    def make_adapter(self, values: Mapping[str, str], clock: Clock, http: HttpClient) -> Adapter:
        server = mail_server(values)
        return SmtpAdapter(server, values["from"], clock, Pool(lambda: Session(server)))

    def further_issues(
        self, values: Mapping[str, str], bad_fields: Iterable[str | int]
    ) -> Iterator[Issue]:
        if "host" not in bad_fields and not _is_host(values["host"]):
            yield Issue("invalid", ("host",), "Host must be a host name or an IP address.")
        if "from" not in bad_fields:
            yield from sender_issues("from", "Sender", values["from"])
        if bool(values["username"]) != bool(values["password"]):
            missing = "password" if values["username"] else "username"
            message = "User name and password belong together: give both or neither."
            yield Issue("required", (missing,), message)


def mail_server(values: Mapping[str, str]) -> MailServer:
    """Where and how to connect, out of validated fields."""
    return MailServer(
        host=values["host"],
        port=int(values["port"]),
        security=values["security"],
        tls=_tls_context(values["verify"]),
        username=values["username"],
        password=values["password"],
    )


def _tls_context(verify: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if verify == "no":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_host(text: str) -> bool:
    if len(text) > 253 or any(len(label) > 63 for label in text.split(".")):
        return False
    return _find_ip(text) is not None or _HOST.fullmatch(text.lower()) is not None


def _find_ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _find_ip(host)
    return host.lower().rstrip(".") == "localhost" or (address is not None and address.is_loopback)


# -- SENDERKIT_SMTP_URL -----------------------------------------------------------------------


def connection_fields_from_url(url: str, mail_from: str) -> dict[str, str]:
    """The validated fields of the connection that the environment describes.

    `smtp://` means STARTTLS (port 587), `smtps://` TLS from the first byte (port 465). To a
    loopback host the defaults are no encryption for `smtp://` (port 25) and an unchecked
    certificate. The query may say `security=starttls|tls|none` and `verify=yes|no`.
    Raises `SettingsError` with every problem; no problem repeats any part of the URL.
    """
    try:
        parts, port = _split(url)
    except ValueError:
        # Its own text may hold a piece of the password.
        raise SettingsError([f"{_URL_NAME} is no URL such as {_SHAPE}. {_PERCENT_HINT}"]) from None
    problems = list(_url_problems(parts))
    if problems:
        raise SettingsError(problems)
    try:
        return SmtpProvider().validate(_fields_of(parts, port) | {"from": mail_from})
    except InvalidRequest as error:
        raise SettingsError([_as_problem(issue) for issue in error.issues]) from None


def _split(url: str) -> tuple[SplitResult, int | None]:
    if not url.isprintable() or " " in url:
        raise ValueError
    parts = urlsplit(url)
    for text in (parts.username, parts.password):
        unquote(text or "", errors="strict")
    return parts, parts.port


def _url_problems(parts: SplitResult) -> Iterator[str]:
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        yield f"{_URL_NAME} must look like {_SHAPE}."
    if parts.path not in {"", "/"} or parts.fragment:
        yield f"{_URL_NAME} has something after the host. {_PERCENT_HINT}"
    options = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in options]
    if set(names) - {"security", "verify"} or len(names) != len(set(names)):
        yield f"{_URL_NAME} takes the options security and verify, each once. {_PERCENT_HINT}"
    if parts.scheme == "smtps" and dict(options).get("security", "tls") != "tls":
        yield f"{_URL_NAME} begins with smtps:// and asks for another security."


def _fields_of(parts: SplitResult, port: int | None) -> dict[str, str]:
    host = parts.hostname or ""
    is_local = _is_loopback(host)
    plain_default = "none" if is_local else "starttls"
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    security = options.get("security", "tls" if parts.scheme == "smtps" else plain_default)
    usual_port = {"tls": 465, "none": 25}.get(security, 587)
    return {
        "host": host,
        "port": str(usual_port if port is None else port),
        "security": security,
        "verify": options.get("verify", "no" if is_local else "yes"),
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }


def _as_problem(issue: Issue) -> str:
    name = "SENDERKIT_MAIL_FROM" if issue.path == ("from",) else _URL_NAME
    return f"{name}: {issue.message}"
