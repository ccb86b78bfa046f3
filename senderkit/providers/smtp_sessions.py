"""One conversation with a mail server: connect, secure, log in, hand over messages."""

from __future__ import annotations

import smtplib
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, cast

from senderkit.domain import Receipt
from senderkit.errors import (
    AccountBroken,
    OutcomeUnknown,
    Refused,
    Unavailable,
    Unsupported,
)
from senderkit.providers.base import readable
from senderkit.providers.mime import MimeEmail
from senderkit.providers.smtp_replies import PERMANENT, ConnectionClosed, Reply, Stage, error_for

CHUNK_BYTES: Final = 65_536
GOODBYE_SECONDS: Final = 2

LOGGED_IN: Final = 235
GREETED: Final = 250
CHALLENGE: Final = 334
GO_AHEAD: Final = 354
CLOSING: Final = 421

NAME_NEVER_RESOLVES: Final = frozenset(
    {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where and how to connect. `security` is `starttls`, `tls` or `none`."""

    host: str
    port: int
    security: str
    tls: ssl.SSLContext = field(repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    connect_timeout_seconds: float = 10
    read_timeout_seconds: float = 30


class _Client(smtplib.SMTP):
    """The library's client with two time limits, and with TLS from the first byte if asked."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        # A name of our own, or the library would look one up, which can take seconds.
        super().__init__(server.host, server.port, local_hostname="localhost")
        self.local_hostname = _greeting_name(cast(socket.socket, self.sock))
        self.command_encoding = "utf-8"

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        server = self._server
        sock = socket.create_connection((host, port), server.connect_timeout_seconds)
        sock.settimeout(server.read_timeout_seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if server.security == "tls":
            return server.tls.wrap_socket(sock, server_hostname=host)
        return sock


class Session:
    """One open, logged-in connection. Used by one thread at a time."""

    def __init__(self, server: MailServer) -> None:
        """Connect, secure and log in. Raises `Unavailable` or `AccountBroken`."""
        self.sent_count = 0
        self.idle_since = 0.0
        self._is_clean = True
        self._secrets = _forms_of(server)
        with _opening(server):
            self._client = self._connect(server)
            try:
                self._secure(server)
                self._log_in(server)
            except BaseException:
                self._client.close()
                raise

    @property
    def is_open(self) -> bool:
        return self._client.sock is not None

    def deliver(self, email: MimeEmail) -> Receipt:
        """Hand over one email. Raises a `DeliveryError`; `ConnectionClosed` means not a byte of
        the content had left."""
        self._is_clean = False
        self._expect(self._mail_command(email), Stage.SENDER)
        self._expect(f"RCPT TO:<{email.recipient}>", Stage.RECIPIENT)
        missed = [note for copy in email.copies if (note := self._refusal_of_copy(copy))]
        reply = self._transfer(email.content)
        self._is_clean = True
        self.sent_count += 1
        detail = f"Not accepted for {'; '.join(missed)}" if missed else None
        return Receipt(reply.text or None, readable(detail) if detail else None)

    def check(self) -> None:
        """Prove that the server still listens to us."""
        self._expect("NOOP", Stage.CHECK)

    def reset(self) -> None:
        """Forget a half-finished message, so that the connection can serve the next one."""
        if not self._is_clean:
            self._expect("RSET", Stage.CHECK)
            self._is_clean = True

    def quit(self) -> None:
        """Say goodbye if anybody listens, and close."""
        if self.is_open:
            with suppress(OSError):
                cast(socket.socket, self._client.sock).settimeout(GOODBYE_SECONDS)
                self._client.docmd("QUIT")
        self._client.close()

    def abandon(self) -> None:
        """Close without a word: for a server that does not answer."""
        self._client.close()

    # -- opening ------------------------------------------------------------------------------

    def _connect(self, server: MailServer) -> _Client:
        try:
            return _Client(server)
        except smtplib.SMTPConnectError as error:
            reply = self._reply(error.smtp_code, error.smtp_error)
            raise error_for(reply, Stage.CONNECTION) from error

    def _secure(self, server: MailServer) -> None:
        self._greet()
        if server.security != "starttls":
            return
        if not self._client.has_extn("starttls"):
            raise AccountBroken(
                "The mail server does not offer STARTTLS, and mail is not sent unencrypted."
            )
        try:
            self._client.starttls(context=server.tls)
        except smtplib.SMTPResponseException as error:
            reply = self._reply(error.smtp_code, error.smtp_error)
            raise error_for(reply, Stage.STARTTLS) from error
        self._greet()

    def _greet(self) -> None:
        reply = self._reply(*self._client.ehlo())
        if reply.code >= PERMANENT:
            reply = self._reply(*self._client.helo())
        if reply.code != GREETED:
            raise error_for(reply, Stage.CONNECTION)

    def _log_in(self, server: MailServer) -> None:
        if not server.username:
            return
        mechanisms = self._client.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in mechanisms:
            reply = self._command(f"AUTH PLAIN {_plain_token(server)}", Stage.LOGIN)
        elif "LOGIN" in mechanisms:
            reply = self._log_in_by_dialogue(server)
        else:
            raise AccountBroken("The mail server offers no login by user name and password.")
        if reply.code != LOGGED_IN:
            raise error_for(reply, Stage.LOGIN)

    def _log_in_by_dialogue(self, server: MailServer) -> Reply:
        reply = self._command("AUTH LOGIN", Stage.LOGIN)
        for answer in (server.username, server.password):
            if reply.code != CHALLENGE:
                break
            reply = self._command(_base64(answer), Stage.LOGIN)
        return reply

    # -- one message --------------------------------------------------------------------------

    def _mail_command(self, email: MimeEmail) -> str:
        command = f"MAIL FROM:<{email.sender}>"
        if self._client.has_extn("size"):
            command += f" SIZE={self._checked_size(email)}"
        if email.needs_utf8:
            if not self._client.has_extn("smtputf8"):
                raise Unsupported("The mail server cannot take an address with these characters.")
            command += " BODY=8BITMIME SMTPUTF8"
        return command

    def _checked_size(self, email: MimeEmail) -> int:
        size = len(email.content)
        limit = self._client.esmtp_features["size"].strip()
        if limit.isdecimal() and 0 < int(limit) < size:
            raise Refused(f"The message has {size} bytes and the mail server takes {limit}.")
        return size

    def _refusal_of_copy(self, address: str) -> str | None:
        reply = self._command(f"RCPT TO:<{address}>", Stage.RECIPIENT)
        return None if reply.is_positive else f"{address} ({reply})"

    def _transfer(self, content: bytes) -> Reply:
        """DATA: the content and the server's final word. Raises `OutcomeUnknown` without one."""
        go_ahead = self._command("DATA", Stage.CONTENT)
        if go_ahead.code != GO_AHEAD:
            raise error_for(go_ahead, Stage.CONTENT)
        self._send_all(_with_dots(content))
        try:
            reply = self._reply(*self._client.getreply())
        except OSError as error:
            raise self._outcome_unknown() from error
        if not reply.is_verdict:
            raise self._outcome_unknown()
        if reply.code == CLOSING:
            self.abandon()
        if not reply.is_positive:
            raise error_for(reply, Stage.CONTENT)
        return reply

    def _send_all(self, payload: bytes) -> None:
        # In pieces, because the time limit of a socket counts for a whole write. If one fails,
        # the closing dot has not left, and the server drops what it has.
        try:
            for start in range(0, len(payload), CHUNK_BYTES):
                self._client.send(payload[start : start + CHUNK_BYTES])
        except OSError as error:
            self.abandon()
            raise Unavailable("The mail server hung up while it was given the message.") from error

    def _outcome_unknown(self) -> OutcomeUnknown:
        self.abandon()
        return OutcomeUnknown("The message was handed over, but the mail server's reply was lost.")

    # -- plumbing -----------------------------------------------------------------------------

    def _expect(self, command: str, stage: Stage) -> None:
        reply = self._command(command, stage)
        if not reply.is_positive:
            raise error_for(reply, stage)

    def _command(self, command: str, stage: Stage) -> Reply:
        try:
            reply = self._reply(*self._client.docmd(command))
        except OSError as error:
            self.abandon()
            raise ConnectionClosed("The mail server hung up or did not answer.") from error
        if reply.code == CLOSING or not reply.is_known:
            self.abandon()
            raise ConnectionClosed(str(error_for(reply, stage)))
        return reply

    def _reply(self, code: int, text: bytes | str) -> Reply:
        words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        return Reply(code, readable(words, self._secrets))


@contextmanager
def _opening(server: MailServer) -> Iterator[None]:
    """Turns what the network throws while a session opens into our errors."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        reason = readable(error.verify_message)
        raise AccountBroken(f"The mail server's certificate is not trusted: {reason}.") from error
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raise Unavailable("The mail server hung up during the TLS handshake.") from error
    except ssl.SSLError as error:
        reason = readable(error.reason or "unknown reason")
        raise AccountBroken(f"TLS with the mail server failed: {reason}.") from error
    except socket.gaierror as error:
        if error.errno in NAME_NEVER_RESOLVES:
            raise AccountBroken(f"There is no mail server named {server.host}.") from error
        raise Unavailable(f"The name {server.host} could not be looked up.") from error
    except UnicodeError as error:
        raise AccountBroken(f"{server.host} is not a host name.") from error
    except TimeoutError as error:
        raise Unavailable("The mail server did not answer in time.") from error
    except OSError as error:
        reason = readable(error.strerror or "connection failed")
        raise Unavailable(f"The mail server cannot be reached: {reason}.") from error


def _greeting_name(sock: socket.socket) -> str:
    """What EHLO calls us: this machine's full name, or its address in brackets."""
    name = socket.gethostname()
    if "." in name and name.isascii():
        return name
    address = sock.getsockname()[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _with_dots(content: bytes) -> bytes:
    """The content as DATA carries it: leading dots doubled, then a dot of its own."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return (stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n") + b".\r\n"


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")


def _plain_token(server: MailServer) -> str:
    return _base64(f"\0{server.username}\0{server.password}")


def _forms_of(server: MailServer) -> tuple[str, ...]:
    """The password in every shape that a server might repeat in a reply."""
    if not server.password:
        return ()
    return (_plain_token(server), _base64(server.password), server.password)
