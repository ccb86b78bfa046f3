from __future__ import annotations

import base64
import re
import socket
import ssl
import threading
from dataclasses import replace

import pytest

from senderkit.domain import EmailBody, Envelope
from senderkit.errors import (
    AccountBroken,
    DeliveryError,
    OutcomeUnknown,
    Refused,
    Unavailable,
    Unsupported,
)
from senderkit.providers.smtp_pool import Pool
from senderkit.providers.smtp_sessions import Session
from tests.fakes import LOOPBACK, Authority, FakeSmtp, Reaction, free_port
from tests.providers.conftest import (
    Connect,
    MakeEmail,
    StartSmtp,
    adapter_through,
    address_of,
)

LOGIN = ("postmaster", "s3cret:p/ss?#wörd")


# -- a message arrives ------------------------------------------------------------------------


def test_a_message_arrives_with_its_envelope_and_the_reply_is_its_id(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    receipt = connect(server).send(make_email())
    [received] = server.messages
    assert received.mail_from == "hello@acme.example"
    assert received.recipients == ("ada@example.com",)
    assert received.parsed["Subject"] == "Hello"
    assert receipt.provider_message_id == "2.0.0 Ok: queued as FAKE0001"
    assert receipt.detail is None


def test_copies_are_envelope_recipients_once_each_and_bcc_is_in_no_byte(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    envelope = Envelope(
        cc=("Bo <bo@example.com>", "ada@example.com"), bcc=("eve@example.net", "bo@example.com")
    )
    connect(server).send(make_email(envelope=envelope))
    [received] = server.messages
    assert received.recipients == ("ada@example.com", "bo@example.com", "eve@example.net")
    assert b"eve@" not in received.content
    assert b"bcc" not in received.content.lower()


def test_lines_that_begin_with_a_dot_arrive_unchanged(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    text = ".\n..\n.hidden\nend\n."
    connect(server).send(make_email(body=EmailBody("Dots", "<p>.</p>", text)))
    assert server.messages[0].body("plain") == text


@pytest.mark.parametrize(
    "end", ["\r\n.\r\n", "\n.\n", "\r.\r", "\n.\r\n", "\r\n.\r", "\r\n\x00.\r\n"]
)
def test_nothing_in_a_body_ends_the_message_early(
    end: str, start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    second = "MAIL FROM:<eve@evil.example>\r\nRCPT TO:<bo@example.com>\r\nDATA\r\nhi\r\n.\r\n"
    body = EmailBody("s", f"<p>é</p>{end}{second}", f"x{end}{second}")
    connect(server).send(make_email(body=body))
    [received] = server.messages
    assert received.recipients == ("ada@example.com",)
    assert server.commands.count("MAIL") == 1
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", received.content) is None
    assert received.body("plain").endswith("hi\n.")


def test_a_message_of_several_megabytes_arrives_whole(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    html = "\n".join(["<p>grüße</p>"] * 200_000)
    connect(server).send(make_email(body=EmailBody("Long", html, "t")))
    assert server.messages[0].body("html") == html


def test_a_non_ascii_mailbox_needs_a_server_that_takes_it(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    outgoing = make_email(recipient="jürgen@bücher.example")
    with pytest.raises(Unsupported, match="cannot take an address"):
        connect(start_smtp()).send(outgoing)
    server = start_smtp(has_utf8=True)
    connect(server).send(outgoing)
    [received] = server.messages
    assert received.recipients == ("jürgen@xn--bcher-kva.example",)
    assert "SMTPUTF8" in received.options
    assert "To: jürgen@xn--bcher-kva.example".encode() in received.header_lines


# -- what the server's replies mean -----------------------------------------------------------

REPLIES: list[tuple[str, str, type[DeliveryError]]] = [
    ("GREETING", "421 4.3.2 Too many connections", Unavailable),
    ("GREETING", "450 4.7.1 Later", Unavailable),
    ("GREETING", "554 5.7.1 Your address is listed", AccountBroken),
    ("GREETING", "521 5.3.2 No mail here", AccountBroken),
    ("EHLO", "421 4.3.0 Closing", Unavailable),
    ("MAIL", "421 4.7.0 Slow down", Unavailable),
    ("MAIL", "451 4.3.0 Local error", Unavailable),
    ("MAIL", "452 4.3.1 Disk full", Unavailable),
    ("MAIL", "530 5.7.0 Authentication required", AccountBroken),
    ("MAIL", "530 Must issue a STARTTLS command first", AccountBroken),
    ("MAIL", "538 5.7.11 Encryption required", AccountBroken),
    ("MAIL", "550 5.7.57 Client was not authenticated", AccountBroken),
    ("MAIL", "553 5.1.8 Sender domain unknown", Refused),
    ("MAIL", "552 5.3.4 Too big", Refused),
    ("RCPT", "450 4.2.1 Greylisted", Unavailable),
    ("RCPT", "451 4.7.1 Try later", Unavailable),
    ("RCPT", "452 4.2.2 Over quota", Unavailable),
    ("RCPT", "550 5.1.1 No such user", Refused),
    ("RCPT", "551 5.1.6 Moved", Refused),
    ("RCPT", "553 5.1.3 Bad syntax", Refused),
    ("RCPT", "550 4.1.1 A status that contradicts its code", Refused),
    ("RCPT", "554 5.7.1 Relaying denied", Refused),
    ("RCPT", "550 No status at all", Refused),
    ("DATA", "451 4.3.0 Not now", Unavailable),
    ("DATA", "554 5.5.1 No valid recipients", Refused),
    ("CONTENT", "421 4.3.2 Going down", Unavailable),
    ("CONTENT", "451 4.7.0 Scanner is busy", Unavailable),
    ("CONTENT", "550 5.7.1 Looks like spam", Refused),
    ("CONTENT", "554 5.7.26 DMARC failed", Refused),
    ("CONTENT", "552 5.2.2 Mailbox full", Refused),
    ("CONTENT", "535 5.7.8 Bad credentials", AccountBroken),
    ("CONTENT", "no code at all", OutcomeUnknown),
]


@pytest.mark.parametrize(("command", "reply", "error"), REPLIES)
def test_a_reply_means_its_error_and_is_shown(
    command: str,
    reply: str,
    error: type[DeliveryError],
    start_smtp: StartSmtp,
    connect: Connect,
    make_email: MakeEmail,
) -> None:
    server = start_smtp()
    server.answer(command, reply)
    with pytest.raises(error) as raised:
        connect(server).send(make_email())
    assert error is OutcomeUnknown or reply in str(raised.value)
    assert server.messages == []


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("GREETING", Unavailable),
        ("EHLO", Unavailable),
        ("MAIL", Unavailable),
        ("RCPT", Unavailable),
        ("DATA", Unavailable),
        ("CONTENT", OutcomeUnknown),
    ],
)
@pytest.mark.parametrize("reaction", list(Reaction))
def test_a_server_that_falls_silent_is_unavailable_until_the_content_has_left(
    command: str,
    error: type[DeliveryError],
    reaction: Reaction,
    start_smtp: StartSmtp,
    make_email: MakeEmail,
) -> None:
    server = start_smtp()
    server.answer(command, reaction)
    address = replace(address_of(server), read_timeout_seconds=0.3)
    adapter = adapter_through(Pool(lambda: Session(address)), address)
    with pytest.raises(error):
        adapter.send(make_email())
    assert server.connections == 1
    adapter.close()


def test_a_refused_recipient_leaves_the_connection_fit_for_the_next_message(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    server.answer("RCPT", "550 5.1.1 No such user", about="nobody@")
    adapter = connect(server)
    with pytest.raises(Refused, match=r"The recipient was refused .*550 5\.1\.1 No such user"):
        adapter.send(
            make_email(recipient="nobody@example.com", envelope=Envelope(cc=("c@d.example",)))
        )
    adapter.send(make_email())
    [received] = server.messages
    assert received.recipients == ("ada@example.com",)
    assert server.connections == 1


def test_a_refused_copy_does_not_stop_the_message_and_is_told(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    server.answer("RCPT", "550 5.1.1 No such user", about="gone@")
    server.answer("RCPT", "450 4.2.1 Greylisted", about="busy@")
    envelope = Envelope(cc=("gone@example.com", "bo@example.com"), bcc=("busy@example.com",))
    receipt = connect(server).send(make_email(envelope=envelope))
    assert server.messages[0].recipients == ("ada@example.com", "bo@example.com")
    assert receipt.detail == (
        "Not accepted for gone@example.com (550 5.1.1 No such user); "
        "busy@example.com (450 4.2.1 Greylisted)"
    )


def test_a_message_above_the_servers_limit_is_refused_before_it_is_sent(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp(size_limit=2_000)
    with pytest.raises(Refused, match="the mail server takes 2000"):
        connect(server).send(make_email(body=EmailBody("Big", "<p>x</p>" * 400, "x")))
    assert "MAIL" not in server.commands


def test_an_error_is_one_printable_line_of_at_most_500_characters(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp(has_utf8=True)
    server.answer("RCPT", "550-5.1.1 \x1b[31m\u2028evil\u202e\r\n550 5.1.1 " + "long " * 300)
    with pytest.raises(Refused) as raised:
        connect(server).send(make_email())
    text = str(raised.value)
    assert text.isprintable()
    assert len(text) == 500
    assert "evil" in text


# -- getting there ----------------------------------------------------------------------------


def test_a_port_on_which_nothing_listens_is_unavailable(
    connect: Connect, make_email: MakeEmail
) -> None:
    nobody = FakeSmtp(port=free_port())
    with pytest.raises(Unavailable, match="cannot be reached: Connection refused"):
        connect(nobody).send(make_email())


@pytest.mark.parametrize(
    ("number", "error"),
    [(socket.EAI_NONAME, AccountBroken), (socket.EAI_AGAIN, Unavailable)],
)
def test_a_host_name_that_does_not_exist_is_our_fault_and_a_failed_lookup_is_not(
    number: int,
    error: type[DeliveryError],
    connect: Connect,
    make_email: MakeEmail,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(*question: object, **options: object) -> object:
        raise socket.gaierror(number, "as the resolver says")

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with pytest.raises(error, match=r"smtp\.acme\.example"):
        connect(FakeSmtp(host="smtp.acme.example", port=25)).send(make_email())


# -- encryption -------------------------------------------------------------------------------


@pytest.mark.parametrize(("security", "is_implicit"), [("starttls", False), ("tls", True)])
def test_mail_is_encrypted_when_the_certificate_is_good(
    security: str,
    is_implicit: bool,
    trusted: Authority,
    start_smtp: StartSmtp,
    connect: Connect,
    make_email: MakeEmail,
) -> None:
    server = start_smtp(tls=trusted.server_context(LOOPBACK), is_implicit=is_implicit)
    connect(server, security=security).send(make_email())
    assert [m.was_encrypted for m in server.messages] == [True]


@pytest.mark.parametrize(("security", "is_implicit"), [("starttls", False), ("tls", True)])
def test_a_certificate_of_an_unknown_authority_stops_the_mail(
    security: str,
    is_implicit: bool,
    authority: Authority,
    start_smtp: StartSmtp,
    connect: Connect,
    make_email: MakeEmail,
) -> None:
    server = start_smtp(tls=authority.server_context(LOOPBACK), is_implicit=is_implicit)
    with pytest.raises(AccountBroken, match="certificate is not trusted"):
        connect(server, security=security).send(make_email())
    assert "MAIL" not in server.commands


@pytest.mark.parametrize(("security", "is_implicit"), [("starttls", False), ("tls", True)])
def test_a_certificate_for_another_name_stops_the_mail(
    security: str,
    is_implicit: bool,
    trusted: Authority,
    start_smtp: StartSmtp,
    connect: Connect,
    make_email: MakeEmail,
) -> None:
    server = start_smtp(tls=trusted.server_context("mail.other.example"), is_implicit=is_implicit)
    with pytest.raises(AccountBroken, match=r"certificate is not trusted.*127\.0\.0\.1"):
        connect(server, security=security).send(make_email())


@pytest.mark.parametrize(("security", "is_implicit"), [("starttls", False), ("tls", True)])
def test_an_unchecked_certificate_must_be_asked_for(
    security: str,
    is_implicit: bool,
    authority: Authority,
    start_smtp: StartSmtp,
    connect: Connect,
    make_email: MakeEmail,
) -> None:
    server = start_smtp(tls=authority.server_context("mail.other.example"), is_implicit=is_implicit)
    connect(server, security=security, verify="no").send(make_email())
    assert [m.was_encrypted for m in server.messages] == [True]


def test_mail_never_falls_back_to_plain_text(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp(login=LOGIN)
    adapter = connect(server, security="starttls", username=LOGIN[0], password=LOGIN[1])
    with pytest.raises(AccountBroken, match="does not offer STARTTLS"):
        adapter.send(make_email())
    assert server.commands == ["GREETING", "EHLO"]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("454 4.7.0 TLS not available just now", Unavailable),
        ("501 5.5.4 No parameters allowed", AccountBroken),
    ],
)
def test_a_refused_starttls_stops_the_mail(
    reply: str,
    error: type[DeliveryError],
    trusted: Authority,
    start_smtp: StartSmtp,
    connect: Connect,
    make_email: MakeEmail,
) -> None:
    server = start_smtp(tls=trusted.server_context(LOOPBACK))
    server.answer("STARTTLS", reply)
    with pytest.raises(error, match="STARTTLS was"):
        connect(server, security="starttls").send(make_email())
    assert "MAIL" not in server.commands


def test_tls_to_a_server_that_speaks_plain_text_is_our_setting(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    with pytest.raises(AccountBroken, match="TLS with the mail server failed"):
        connect(start_smtp(), security="tls").send(make_email())


def test_answers_injected_before_the_handshake_are_not_believed(
    trusted: Authority, make_email: MakeEmail, connect: Connect
) -> None:
    context = trusted.server_context(LOOPBACK)
    with socket.create_server((LOOPBACK, 0)) as listener:
        server = FakeSmtp(port=listener.getsockname()[1])
        thread = threading.Thread(target=_inject, args=(listener, context))
        thread.start()
        with pytest.raises(Unavailable, match="450 from inside TLS"):
            connect(server, security="starttls").send(make_email())
        thread.join(5)


def _inject(listener: socket.socket, context: ssl.SSLContext) -> None:
    plain, _ = listener.accept()
    plain.sendall(b"220 ready\r\n")
    plain.recv(1_000)
    plain.sendall(b"250-fake\r\n250 STARTTLS\r\n")
    plain.recv(1_000)
    plain.sendall(b"220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n")
    with context.wrap_socket(plain, server_side=True) as inside:
        inside.recv(1_000)
        inside.sendall(b"450 from inside TLS\r\n")


# -- login ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_login_with_any_characters_is_accepted(
    mechanism: str,
    trusted: Authority,
    start_smtp: StartSmtp,
    connect: Connect,
    make_email: MakeEmail,
) -> None:
    server = start_smtp(tls=trusted.server_context(LOOPBACK), login=LOGIN, mechanisms=(mechanism,))
    adapter = connect(server, security="starttls", username=LOGIN[0], password=LOGIN[1])
    adapter.send(make_email())
    assert len(server.messages) == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_wrong_password_breaks_the_account(
    mechanism: str, start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp(login=LOGIN, mechanisms=(mechanism,))
    adapter = connect(server, username=LOGIN[0], password="wrong")
    with pytest.raises(AccountBroken, match="The login was refused"):
        adapter.send(make_email())
    assert "MAIL" not in server.commands


def test_a_missing_login_breaks_the_account(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    with pytest.raises(AccountBroken, match=r"530 5\.7\.0 Authentication required"):
        connect(start_smtp(login=LOGIN)).send(make_email())


def test_a_server_without_a_login_we_know_breaks_the_account(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp(login=LOGIN, mechanisms=())
    with pytest.raises(AccountBroken, match="offers no login"):
        connect(server, username=LOGIN[0], password=LOGIN[1]).send(make_email())


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("454 4.7.0 Temporary authentication failure", Unavailable),
        ("421 4.7.0 Too many tries", Unavailable),
        ("432 4.7.12 Password transition needed", AccountBroken),
        ("534 5.7.9 Mechanism is too weak", AccountBroken),
        ("535 5.7.8 Not accepted", AccountBroken),
        ("500 5.5.1 What", AccountBroken),
    ],
)
def test_a_reply_to_the_login_means_its_error(
    reply: str,
    error: type[DeliveryError],
    start_smtp: StartSmtp,
    connect: Connect,
    make_email: MakeEmail,
) -> None:
    server = start_smtp(login=LOGIN)
    server.answer("AUTH", reply)
    with pytest.raises(error) as raised:
        connect(server, username=LOGIN[0], password=LOGIN[1]).send(make_email())
    assert reply in str(raised.value)


def test_a_server_that_repeats_the_password_does_not_get_it_into_an_error(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    user, password = LOGIN
    token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    alone = base64.b64encode(password.encode()).decode()
    server = start_smtp(login=LOGIN, has_utf8=True)
    server.answer("AUTH", f"535 5.7.8 Bad: {password} and AUTH PLAIN {token} and {alone}")
    with pytest.raises(AccountBroken) as raised:
        connect(server, username=user, password=password).send(make_email())
    shown = f"{raised.value!r} {raised.value.__cause__!r} {raised.value.__context__!r}"
    assert "[hidden]" in shown
    assert not any(secret in shown for secret in (password, token, alone))


def test_a_check_logs_in_and_leaves_without_mail(
    trusted: Authority, start_smtp: StartSmtp, connect: Connect
) -> None:
    server = start_smtp(tls=trusted.server_context(LOOPBACK), login=LOGIN)
    connect(server, security="starttls", username=LOGIN[0], password=LOGIN[1]).check()
    assert server.commands == ["GREETING", "EHLO", "STARTTLS", "EHLO", "AUTH", "NOOP", "QUIT"]
