"""Servers that stand in for the outside world, over real sockets."""

from __future__ import annotations

import asyncio
import email
import ipaddress
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default as default_policy
from enum import Enum
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from aiosmtpd.smtp import Envelope as SmtpEnvelope
from aiosmtpd.smtp import Session as SmtpSession
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK: Final = "127.0.0.1"

Command = Callable[[str | None], Awaitable[None]]
"""What answers one SMTP verb, given the rest of the line."""


class Reaction(Enum):
    """What a server may do in place of a reply."""

    HANG_UP = "hang up"
    STAY_SILENT = "stay silent"


@dataclass(frozen=True)
class Received:
    """One message as the server got it: the envelope and the exact bytes, dots unstuffed."""

    mail_from: str
    recipients: tuple[str, ...]
    options: tuple[str, ...]
    content: bytes
    was_encrypted: bool

    @property
    def parsed(self) -> EmailMessage:
        return email.message_from_bytes(self.content, policy=default_policy)

    def body(self, subtype: str) -> str:
        """The `plain` or `html` body with line feeds, without the newline that mail ends in."""
        part = self.parsed.get_body((subtype,))
        assert part is not None
        return str(part.get_content()).replace("\r\n", "\n").removesuffix("\n")

    @property
    def header_lines(self) -> list[bytes]:
        """The header block as lines on the wire, folded ones apart."""
        return self.content.partition(b"\r\n\r\n")[0].split(b"\r\n")


@dataclass
class Rule:
    """An answer that a server gives so many `times` more."""

    command: str
    answer: str | Reaction
    about: str
    times: int

    def applies_to(self, command: str, argument: str) -> bool:
        return self.times > 0 and self.command == command and self.about in argument

    @property
    def is_used_up(self) -> bool:
        return self.times <= 0


@dataclass
class FakeSmtp:
    """A mail server on a port of its own that keeps what it gets and answers as it is told.

    `tls` secures it: from the first byte if `is_implicit`, else by STARTTLS. `login` is the one
    user name and password it takes; with it, mail needs a login.
    """

    tls: ssl.SSLContext | None = None
    is_implicit: bool = False
    login: tuple[str, str] | None = None
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    size_limit: int | None = None
    has_utf8: bool = False
    messages: list[Received] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    host: str = LOOPBACK
    port: int = 0
    _rules: list[Rule] = field(default_factory=list)
    _live: list[_Protocol] = field(default_factory=list)

    def answer(
        self, command: str, answer: str | Reaction, *, about: str = "", times: int = 1_000
    ) -> Rule:
        """Answer `command` with this line or reaction, up to `times` times.

        `command` is an SMTP verb, `GREETING`, or `CONTENT` for the end of a message; `about`
        must occur in what follows the verb, such as a recipient.
        """
        rule = Rule(command, answer, about, times)
        self._rules.append(rule)
        return rule

    def drop_connections(self) -> None:
        """Cut every open connection, as a server does with idle ones, and wait until it is."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(self._drop, done)
        done.wait(5)

    def find_answer(self, command: str, argument: str) -> str | Reaction | None:
        for rule in self._rules:
            if rule.applies_to(command, argument):
                rule.times -= 1
                return rule.answer
        return None

    def __enter__(self) -> Self:
        listener = socket.create_server((self.host, self.port))
        self.port = listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        starting = self._loop.create_server(
            lambda: _Protocol(self),
            sock=listener,
            ssl=self.tls if self.is_implicit else None,
        )
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(5)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        self._drop(threading.Event())
        await asyncio.sleep(0)
        rest = asyncio.all_tasks() - {cast(asyncio.Task[Any], asyncio.current_task())}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _drop(self, done: threading.Event) -> None:
        for protocol in self._live:
            protocol.cut()
        self._live.clear()
        done.set()


class _Protocol(SMTP):
    """The server's side of one connection."""

    def __init__(self, fake: FakeSmtp) -> None:
        self._fake = fake
        super().__init__(
            _Recorder(fake),
            hostname="mail.fake.example",
            ident="ready",
            data_size_limit=fake.size_limit,
            enable_SMTPUTF8=fake.has_utf8,
            tls_context=None if fake.is_implicit else fake.tls,
            authenticator=self._check_login,
            auth_require_tls=fake.login is None,
            auth_exclude_mechanism={"PLAIN", "LOGIN"} - set(fake.mechanisms),
            loop=asyncio.get_running_loop(),
        )
        self._smtp_methods = {
            verb: partial(self._obey, verb, usual) for verb, usual in self._smtp_methods.items()
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self not in self._fake._live:
            self._fake._live.append(self)
            self._fake.connections += 1
        super().connection_made(transport)

    def cut(self) -> None:
        transport = self._original_transport or self.transport
        if transport is not None:
            cast(asyncio.WriteTransport, transport).abort()

    async def push(self, status: Any) -> None:
        is_greeting = str(status).startswith("220 mail.fake.example")
        if not (is_greeting and await self._is_scripted("GREETING", "")):
            await super().push(status)

    async def _obey(self, verb: str, usual: Command, argument: str | None) -> None:
        if await self._is_scripted(verb, argument or ""):
            return
        if (
            verb == "MAIL"
            and self._fake.login
            and not cast(SmtpSession, self.session).authenticated
        ):
            await self.push("530 5.7.0 Authentication required")
            return
        await usual(argument)

    async def react(self, command: str, answer: str | Reaction) -> None:
        if isinstance(answer, str):
            await self.push(answer)
        elif answer is Reaction.HANG_UP:
            self.cut()
        if not isinstance(answer, str) and command in {"GREETING", "CONTENT"}:
            # Nothing more may be written here: wait for the end of the connection.
            await asyncio.Event().wait()

    async def _is_scripted(self, command: str, argument: str) -> bool:
        self._fake.commands.append(command)
        answer = self._fake.find_answer(command, argument)
        if answer is None:
            return False
        await self.react(command, answer)
        return True

    def _check_login(
        self,
        server: SMTP,
        session: SmtpSession,
        envelope: SmtpEnvelope,
        mechanism: str,
        data: LoginPassword,
    ) -> AuthResult:
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self._fake.login, handled=False)


class _Recorder:
    """Keeps each message, then answers for it."""

    def __init__(self, fake: FakeSmtp) -> None:
        self._fake = fake

    async def handle_DATA(  # noqa: N802 - the library calls it by this name
        self, server: _Protocol, session: SmtpSession, envelope: SmtpEnvelope
    ) -> str:
        received = Received(
            mail_from=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            options=tuple(envelope.mail_options),
            content=bytes(envelope.original_content or b""),
            was_encrypted=session.ssl is not None or self._fake.is_implicit,
        )
        self._fake.commands.append("CONTENT")
        answer = self._fake.find_answer("CONTENT", "")
        if not isinstance(answer, str) or answer.startswith("2"):
            self._fake.messages.append(received)
        if isinstance(answer, Reaction):
            await server.react("CONTENT", answer)
        return answer if isinstance(answer, str) else f"250 2.0.0 Ok: queued as {self._number()}"

    def _number(self) -> str:
        return f"FAKE{len(self._fake.messages):04}"


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        return cast(int, listener.getsockname()[1])


class Authority:
    """A certificate authority made for one test run. `file` is what its clients must trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _common_name("Fake authority")
        certificate = self._signed(self._name, self._key.public_key(), _as_authority(self._key))
        self.file = folder / "authority.pem"
        self.file.write_bytes(_pem(certificate))

    def server_context(self, *names: str) -> ssl.SSLContext:
        """The TLS side of a server that can prove these host names and IP addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        names_extension = x509.SubjectAlternativeName([_general_name(n) for n in names])
        certificate = self._signed(
            _common_name(names[0]),
            key.public_key(),
            lambda builder: builder.add_extension(names_extension, critical=False),
        )
        path = self._folder / f"{names[0]}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.write_bytes(private + _pem(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        extend: Callable[[x509.CertificateBuilder], x509.CertificateBuilder],
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(issuer_id, critical=False)
        )
        return extend(builder).sign(self._key, hashes.SHA256())


def _as_authority(
    key: ec.EllipticCurvePrivateKey,
) -> Callable[[x509.CertificateBuilder], x509.CertificateBuilder]:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    subject_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return lambda builder: (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(subject_id, critical=False)
    )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
