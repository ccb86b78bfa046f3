from __future__ import annotations

import pytest

from senderkit.errors import (
    InvalidRequest,
    SettingsError,
)
from senderkit.providers import get_provider
from senderkit.providers.smtp import (
    connection_fields_from_url,
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""),
        ("host", "two words.example"),
        ("host", "host:25"),
        ("host", "a" * 64 + ".example"),
        ("host", "mail.example\r\nEHLO x"),
        ("port", "0"),
        ("port", "65536"),
        ("port", "9" * 5_000),
        ("port", "٢٥"),
        ("security", "ssl"),
        ("verify", "maybe"),
        ("from", ""),
        ("from", "nobody"),
        ("from", "Acme <a@b.example>\r\nBcc: eve@evil.example"),
        ("from", "jürgen@acme.example"),
        ("password", "alone"),
        ("username", "alone"),
        ("colour", "red"),
    ],
)
def test_a_bad_field_is_named(field: str, value: str) -> None:
    good = {"host": "mail.acme.example", "from": "hello@acme.example"}
    with pytest.raises(InvalidRequest) as raised:
        get_provider("smtp").validate(good | {field: value})
    other = {"password": "username", "username": "password"}
    assert [issue.path for issue in raised.value.issues] == [(other.get(field, field),)]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.acme.example", ("mail.acme.example", "587", "starttls", "yes", "", "")),
        ("smtps://mail.acme.example", ("mail.acme.example", "465", "tls", "yes", "", "")),
        (
            "smtp://user%40acme.example:p%40ss%2Fw%3Frd@mail.acme.example:2525",
            ("mail.acme.example", "2525", "starttls", "yes", "user@acme.example", "p@ss/w?rd"),
        ),
        ("smtp://10.0.0.5:25?security=none", ("10.0.0.5", "25", "none", "yes", "", "")),
        ("smtp://10.0.0.5?verify=no", ("10.0.0.5", "587", "starttls", "no", "", "")),
        ("smtp://10.0.0.5?security=tls", ("10.0.0.5", "465", "tls", "yes", "", "")),
        ("smtp://localhost:1025", ("localhost", "1025", "none", "no", "", "")),
        ("smtp://[::1]", ("::1", "25", "none", "no", "", "")),
        ("smtps://127.0.0.2", ("127.0.0.2", "465", "tls", "no", "", "")),
        (
            "smtp://localhost?security=starttls&verify=yes",
            ("localhost", "587", "starttls", "yes", "", ""),
        ),
        (
            "smtp://localhost.evil.example",
            ("localhost.evil.example", "587", "starttls", "yes", "", ""),
        ),
    ],
)
def test_a_url_says_how_to_connect(url: str, expected: tuple[str, ...]) -> None:
    fields = connection_fields_from_url(url, "Acme <hello@acme.example>")
    names = ("host", "port", "security", "verify", "username", "password")
    assert tuple(fields[name] for name in names) == expected
    assert fields["from"] == "Acme <hello@acme.example>"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.acme.example:587",
        "http://user:hunter2@mail.acme.example",
        "smtp://",
        "smtp://user:hunter2@",
        "smtp://user:hunter2@mail.acme.example:hunter2",
        "smtp://user:hunter2@mail.acme.example:99999",
        "smtp://user:hunter2@mail.acme.example:0",
        "smtp://user:hunt/er2@mail.acme.example",
        "smtp://user:587/hunter2@mail.acme.example",
        "smtp://user:587#hunter2@mail.acme.example",
        "smtp://user:587?hunter2@mail.acme.example",
        "smtp://user:hunter2@[mail.acme.example",
        "smtp://user:hunter2@mail.acme.example/path",
        "smtp://user:hunter2@mail.acme.example?tls=hunter2",
        "smtp://user:hunter2@mail.acme.example?verify=no&verify=yes",
        "smtp://user:hunter2@mail.acme.example?security=hunter2",
        "smtps://user:hunter2@mail.acme.example?security=none",
        "smtp://user@mail.acme.example",
        "smtp://:hunter2@mail.acme.example",
        "smtp://user:hunter2%FF@mail.acme.example",
        "smtp://user:hunter2%0D%0A@mail.acme.example",
        "smtp://user:hunter2@mail\n.acme.example",
        "smtp://user:hunter2℀@mail.acme.example",
    ],
)
def test_a_bad_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SettingsError) as raised:
        connection_fields_from_url(url, "hello@acme.example")
    shown = f"{raised.value} {raised.value.__cause__!r}"
    assert "SENDERKIT_SMTP_URL" in shown
    assert "hunt" not in shown
    assert "er2" not in shown


def test_a_bad_sender_is_a_problem_of_its_own_setting() -> None:
    with pytest.raises(SettingsError, match=r"SENDERKIT_MAIL_FROM: Sender must be an address"):
        connection_fields_from_url("smtp://localhost", "Acme")
