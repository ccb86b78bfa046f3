from __future__ import annotations

import email
import re
from dataclasses import replace
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default as default_policy
from email.utils import parseaddr
from typing import Any, cast

import pytest

from senderkit.domain import Attachment, Channel, EmailBody, Envelope, Outgoing, SmsBody
from senderkit.errors import Refused, Unsupported
from senderkit.providers.mailboxes import parse_mailbox
from senderkit.providers.mime import MimeEmail, build_email, header_value
from tests.providers.conftest import NOON, Connect, MakeEmail, StartSmtp

DEFAULT_FROM = "Acme <hello@acme.example>"
PIXEL = bytes(range(256))

BREAKS = [
    "\r\n",
    "\n",
    "\r",
    "\x00",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\ud800",
    "\udfff",
]
SNEAKED = "Bcc: eve@evil.example"


def build(outgoing: Outgoing, default_from: str = DEFAULT_FROM) -> MimeEmail:
    return build_email(outgoing, default_from=default_from, at=NOON)


def parse(mime: MimeEmail) -> EmailMessage:
    return email.message_from_bytes(mime.content, policy=default_policy)


def header_lines(mime: MimeEmail) -> list[str]:
    return mime.content.partition(b"\r\n\r\n")[0].decode().split("\r\n")


def text_of(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n").removesuffix("\n")


def shape(part: EmailMessage) -> Any:
    """Nested content types: `(multipart, [parts])` or the type alone."""
    if not part.is_multipart():
        return part.get_content_type()
    return part.get_content_type(), [shape(cast(EmailMessage, p)) for p in part.iter_parts()]


# -- headers ----------------------------------------------------------------------------------


def test_the_headers_of_a_simple_email_are_these_and_no_others(make_email: MakeEmail) -> None:
    lines = header_lines(build(make_email()))
    assert lines[:-2] == [
        "From: Acme <hello@acme.example>",
        "To: ada@example.com",
        "Subject: Hello",
        "Date: Mon, 02 Mar 2026 12:00:00 +0000",
        "Message-ID: <msg_01hzy8w1c2d3e4f5g6h7j8k9mn@acme.example>",
        "X-SenderKit-Message: msg_01hzy8w1c2d3e4f5g6h7j8k9mn",
    ]
    assert lines[-2] == "MIME-Version: 1.0"
    assert lines[-1].startswith("Content-Type: multipart/alternative; boundary=")


@pytest.mark.parametrize(
    ("envelope", "expected"),
    [
        (Envelope(), "Acme <hello@acme.example>"),
        (Envelope(from_name="Ada"), "Ada <hello@acme.example>"),
        (Envelope(from_address="Bo <bo@b.example>"), "Bo <bo@b.example>"),
        (Envelope(from_address="bo@b.example"), "bo@b.example"),
        (Envelope(from_address="Bo <bo@b.example>", from_name="Ada"), "Ada <bo@b.example>"),
        (Envelope(from_address="root@localhost"), "root@localhost"),
    ],
)
def test_the_from_name_wins_over_the_address_and_that_over_the_connection(
    envelope: Envelope, expected: str, make_email: MakeEmail
) -> None:
    mime = build(make_email(envelope=envelope))
    assert header_lines(mime)[0] == f"From: {expected}"
    assert mime.sender == parse_mailbox(expected).address


@pytest.mark.parametrize(
    "name",
    [
        "Ada Lovelace",
        "O'Neil & Söhne",
        'Quote " and \\ slash',
        "Acme, Inc.",
        "a@b.example",
        "(brackets) <angles>",
        "株式会社アクメ" * 12,
        "Zoë " + "très longue " * 20,
        "long " * 60,
        "=?utf-8?q?not_encoded?=",
        "🚀",
    ],
)
def test_a_display_name_arrives_as_it_was(name: str, make_email: MakeEmail) -> None:
    mime = build(make_email(envelope=Envelope(from_name=name.strip())))
    # Not by the library's structured parser, which splits neighbouring encoded words by a space.
    field = email.message_from_bytes(mime.content)["From"]
    shown, address = parseaddr(field.replace("\r\n", ""))
    assert str(make_header(decode_header(shown))) == name.strip()
    assert address == "hello@acme.example"
    assert all(len(line) <= 998 for line in header_lines(mime))


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "Grüße aus Köln",
        "long " * 150,
        "長い件名" * 80,
        "x" * 3_000,
        "double  spaces   stay é",
        "=?utf-8?q?=0D=0ABcc:_eve@evil.example?=",
        "one =?utf-8?b?DQpCY2M6IGV2ZUBldmlsLmV4YW1wbGU=?= two",
    ],
)
def test_a_subject_arrives_as_it_was(subject: str, make_email: MakeEmail) -> None:
    mime = build(make_email(body=EmailBody(subject, "<p>x</p>", "x")))
    assert parse(mime)["Subject"] == subject
    assert all(len(line) <= 998 for line in header_lines(mime))
    encoded = [word for line in header_lines(mime) for word in re.findall(r"=\?\S+\?=", line)]
    assert all(len(word) <= 75 for word in encoded)


def test_addresses_of_every_kind_are_named_and_bcc_is_not(make_email: MakeEmail) -> None:
    envelope = Envelope(
        cc=tuple(f"Person {n} <person{n}@example.com>" for n in range(40)),
        bcc=("hidden@example.com",),
        reply_to='"Help, please" <help@acme.example>',
    )
    mime = build(make_email(recipient="Ada <ada@example.com>", envelope=envelope))
    message = parse(mime)
    assert message["To"] == "Ada <ada@example.com>"
    assert len(message["Cc"].addresses) == 40
    assert message["Reply-To"] == '"Help, please" <help@acme.example>'
    assert len(mime.copies) == 41
    assert b"hidden" not in mime.content
    assert mime.recipient == "ada@example.com"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ada@Example.COM", "ada@Example.COM"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("a@bu\u0308cher.example", "a@xn--bcher-kva.example"),
        ("a@fußball.example", "a@xn--fuball-cta.example"),
        ("a@例え。テスト", "a@xn--r8jz45g.xn--zckzah"),
        ("a@[127.0.0.1]", "a@[127.0.0.1]"),
        ("  Ada <ada@example.com> ", "ada@example.com"),
        ("o'neil+tag=x/y@example.com", "o'neil+tag=x/y@example.com"),
    ],
)
def test_an_address_is_read_and_its_domain_put_into_ascii(given: str, expected: str) -> None:
    assert parse_mailbox(given).address == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"recipient": "jürgen@example.com"},
        {"envelope": Envelope(from_address="jürgen@example.com")},
        {"envelope": Envelope(bcc=("jürgen@example.com",))},
        {"envelope": Envelope(reply_to="jürgen@example.com")},
    ],
)
def test_a_non_ascii_mailbox_anywhere_needs_utf8(
    changes: dict[str, Any], make_email: MakeEmail
) -> None:
    assert build(make_email(**changes)).needs_utf8


def test_a_non_ascii_name_or_domain_needs_no_utf8(make_email: MakeEmail) -> None:
    assert not build(make_email(recipient="Jürgen <j@bücher.example>")).needs_utf8


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "a b@example.com",
        "ada@exa mple.com",
        "ada@example.com>, <eve@evil.example",
        "<a@b.example> <c@d.example>",
        "ada@example.com, eve@evil.example",
        "ada@-example.com",
        "ada@example..com",
        "ada@" + "a" * 64 + ".com",
        "ada@" + "ü" * 60 + ".com",
        "a" * 65 + "@example.com",
        '"quoted"@example.com',
        "ada@example.com> SIZE=1",
        "Ada <ada@example.com",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="not a valid email address"):
        parse_mailbox(text)


@pytest.mark.parametrize("bad", BREAKS, ids=ascii)
def test_a_line_break_or_control_character_never_reaches_a_header(
    bad: str, make_email: MakeEmail
) -> None:
    sneaky = f"x{bad}{SNEAKED}"
    file = Attachment("a.txt", "text/plain", b"x")
    attempts: list[dict[str, Any]] = [
        {"body": EmailBody(sneaky, "h", "t")},
        {"recipient": f"Ada{bad}{SNEAKED} <ada@example.com>"},
        {"recipient": f"ada@example.com{bad}"},
        {"recipient": f"ada@example.com{bad}RCPT TO:<eve@evil.example>"},
        {"envelope": Envelope(from_name=sneaky)},
        {"envelope": Envelope(from_address=f"{sneaky} <a@b.example>")},
        {"envelope": Envelope(cc=(f"{sneaky} <a@b.example>",))},
        {"envelope": Envelope(bcc=(f"{sneaky} <a@b.example>",))},
        {"envelope": Envelope(reply_to=f"{sneaky} <a@b.example>")},
        {"headers": {"X-Extra": sneaky}},
        {"headers": {f"X-Extra{bad}Bcc": "x"}},
        {"message_id": sneaky},
        {"list_unsubscribe_url": f"https://acme.example/u{bad}{SNEAKED}"},
        {"attachments": (replace(file, filename=sneaky),)},
        {"attachments": (replace(file, content_type=f"text/plain{bad}{SNEAKED}"),)},
        {"attachments": (replace(file, content_id=sneaky, inline=True),)},
    ]
    for changes in attempts:
        with pytest.raises(Refused):
            build(make_email(**changes))


ENCODED_BREAKS = [
    "=?utf-8?q?x=0D=0ABcc:_eve@evil.example?=",
    "=?utf-8?b?eA0KQmNjOiBldmVAZXZpbA==?=",
]


@pytest.mark.parametrize("word", ENCODED_BREAKS)
def test_a_line_break_inside_an_encoded_word_stays_inside_it(
    word: str, start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    outgoing = make_email(
        body=EmailBody(word, "<p>x</p>", "x"),
        recipient=f"{word} <ada@example.com>",
        envelope=Envelope(from_name=word, cc=(f"{word} <cc@example.com>",)),
        headers={"X-Extra": word},
        attachments=(Attachment(word, f'text/plain; charset="{word}"; x="{word}"', b"x"),),
    )
    connect(server).send(outgoing)
    [received] = server.messages
    assert received.recipients == ("ada@example.com", "cc@example.com")
    assert re.search(rb"^bcc", received.content, re.IGNORECASE | re.MULTILINE) is None
    names = [line.split(b":")[0] for line in received.header_lines if line[:1] not in b" \t"]
    assert names == [
        *(b"From", b"To", b"Cc", b"Subject", b"Date", b"Message-ID"),
        *(b"X-SenderKit-Message", b"X-Extra", b"MIME-Version", b"Content-Type"),
    ]


def test_a_long_unsubscribe_link_is_neither_folded_nor_encoded(
    start_smtp: StartSmtp, connect: Connect, make_email: MakeEmail
) -> None:
    server = start_smtp()
    url = "https://mail.acme.example/u/" + "Ab3-_~" * 45 + "?x=%C3%A9&y=1"
    assert len(url) > 300
    connect(server).send(make_email(list_unsubscribe_url=url))
    lines = server.messages[0].header_lines
    assert f"List-Unsubscribe: <{url}>".encode() in lines
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines


def test_there_is_no_unsubscribe_header_without_a_link(make_email: MakeEmail) -> None:
    assert b"Unsubscribe" not in build(make_email()).content


@pytest.mark.parametrize("url", ["mailto:a@b.example", "https://a.example/ü", "https://a> <b", ""])
def test_an_unsubscribe_link_that_would_break_is_refused(url: str, make_email: MakeEmail) -> None:
    with pytest.raises(Refused, match="unsubscribe link"):
        build(make_email(list_unsubscribe_url=url))


def test_extra_headers_go_out_and_cannot_replace_ours(make_email: MakeEmail) -> None:
    mime = build(make_email(headers={"X-Campaign": "spring é"}))
    assert parse(mime)["X-Campaign"] == "spring é"
    for name in ("bcc", "Subject", "TO", "Content-Type", "List-Unsubscribe", "bad name", "x:", ""):
        with pytest.raises(Refused, match="name that cannot be used"):
            build(make_email(headers={name: "x"}))


# -- bodies and attachments -------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "",
        "plain",
        "äöü € 日本語 🚀",
        "x" * 5_000,
        "é" * 5_000,
        "<p>one</p>\n\n  <p>two</p>\t",
        "From here\n.dot\n--boundary",
        "soft=3Dbreak = at the end =",
        "separator\u2028inside\x0band\x0c\x1c these",
    ],
)
def test_text_and_html_arrive_exactly(content: str, make_email: MakeEmail) -> None:
    mime = build(make_email(body=EmailBody("s", content, content)))
    message = parse(mime)
    assert text_of(message, "plain") == content
    assert text_of(message, "html") == content
    assert all(len(line) <= 998 for line in mime.content.split(b"\r\n"))
    assert mime.content.isascii()
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", mime.content) is None


def test_text_comes_before_html(make_email: MakeEmail) -> None:
    assert shape(parse(build(make_email()))) == (
        "multipart/alternative",
        ["text/plain", "text/html"],
    )


def test_files_and_inline_images_find_their_places(make_email: MakeEmail) -> None:
    attachments = (
        Attachment("logo.png", "image/png", PIXEL, inline=True, content_id="logo@acme"),
        Attachment("invoice.pdf", "application/pdf", b"%PDF" + PIXEL),
        Attachment("loose.gif", "image/gif", PIXEL, inline=True),
    )
    mime = build(make_email(attachments=attachments))
    message = parse(mime)
    related = ("multipart/related", ["text/html", "image/png"])
    assert shape(message) == (
        "multipart/mixed",
        [
            ("multipart/alternative", ["text/plain", related]),
            "application/pdf",
            "image/gif",
        ],
    )
    parts = {p.get_filename(): p for p in message.walk() if p.get_filename()}
    assert parts["logo.png"]["Content-ID"] == "<logo@acme>"
    assert parts["logo.png"].get_content_disposition() == "inline"
    assert parts["invoice.pdf"].get_content_disposition() == "attachment"
    assert parts["invoice.pdf"].get_content() == b"%PDF" + PIXEL
    assert parts["loose.gif"].get_content_disposition() == "inline"


@pytest.mark.parametrize(
    "name",
    [
        "plain.txt",
        "with space; and=more, 'quotes'.txt",
        'a"b\\c.txt',
        "Rechnung für März.pdf",
        "請求書" * 80 + ".pdf",
        "x" * 250 + ".txt",
        "100%25.txt",
    ],
)
def test_a_file_name_and_its_bytes_arrive_as_they_were(name: str, make_email: MakeEmail) -> None:
    content = PIXEL * 500 + b"\r\n.\r\nMAIL FROM:<x>\r\n\n\r"
    file = Attachment(name, "application/octet-stream", content)
    mime = build(make_email(attachments=(file,)))
    [part] = parse(mime).iter_attachments()
    assert part.get_filename() == name
    assert part.get_payload(decode=True) == content
    assert all(len(line) <= 998 for line in mime.content.split(b"\r\n"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("text/csv; charset=iso-8859-1", 'text/csv; charset="iso-8859-1"'),
        ("Image/PNG", "image/png"),
        ("message/rfc822", "application/octet-stream"),
        ("multipart/mixed; boundary=x", "application/octet-stream"),
        ("application/vnd.api+json; name=x", "application/vnd.api+json"),
    ],
)
def test_a_content_type_is_kept_unless_it_would_nest(
    given: str, expected: str, make_email: MakeEmail
) -> None:
    file = Attachment("file", given, b"caf\xe9\n")
    [part] = parse(build(make_email(attachments=(file,)))).iter_attachments()
    assert str(part["Content-Type"]) == expected
    assert part.get_payload(decode=True) == b"caf\xe9\n"


@pytest.mark.parametrize("content_type", ["", "text", "text/", "text/plain extra", "é/x"])
def test_what_is_no_content_type_is_refused(content_type: str, make_email: MakeEmail) -> None:
    with pytest.raises(Refused, match="content type"):
        build(make_email(attachments=(Attachment("f", content_type, b""),)))


def test_a_body_with_a_lone_surrogate_is_refused(make_email: MakeEmail) -> None:
    for body in (EmailBody("s", "\ud800", "t"), EmailBody("s", "h", "\udfff")):
        with pytest.raises(Refused, match="cannot be sent"):
            build(make_email(body=body))


def test_only_email_becomes_an_email(make_email: MakeEmail) -> None:
    with pytest.raises(Unsupported):
        build(make_email(channel=Channel.SMS, recipient="+15550100", body=SmsBody("hi")))


@pytest.mark.parametrize(
    "value",
    ["plain", "", "x" * 2_000, "Grüße", "ü" * 500, "=?utf-8?q?=0D=0ABcc:_e@x?=", "👋 " * 90],
)
def test_a_header_value_is_ascii_on_one_line_and_reads_the_same(value: str) -> None:
    written = header_value(value)
    assert written.isascii()
    assert written.isprintable()
    assert str(make_header(decode_header(written))) == value
