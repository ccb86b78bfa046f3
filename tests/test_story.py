"""The whole house once, as people meet it: shell, server, app, mail server, reader, dashboard."""

from __future__ import annotations

import base64
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from tests.cli.calls import call, wait_for_status
from tests.fakes import FakeSmtp, Received
from tests.make import CSRF_FIELD, OWNER, PASSWORD
from tests.serving import Server, run_cli, serving

READER: Final = "ada@example.com"
RECEIPT: Final = b"%PDF-1.7\n\x00\xff the bytes of a receipt"
CONTENT: Final = {
    "subject": "Order {{number}}",
    "html": "<p>Thank you, <b>{{name}}</b>.</p>",
}
ORDER: Final = {
    "template": "order-placed",
    "to": f"Ada Lovelace <{READER}>",
    "vars": {"name": "Ada & Co", "number": 1001},
    "metadata": {"order": 1001},
    "attachments": [
        {
            "filename": "receipt.pdf",
            "contentType": "application/pdf",
            "content": base64.b64encode(RECEIPT).decode(),
        }
    ],
}


def test_from_an_empty_folder_to_a_reader_who_wants_no_more(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    shell(data_dir, "init", "--workspace", "Acme", "--email", OWNER, "--password-stdin")
    token = shell(data_dir, "keys", "create", "--name", "Shop", "--mode", "live").strip()

    with FakeSmtp() as smtp, serving(data_dir, **mail_settings(smtp)) as server:
        make_template(server, token)

        first = send_order(server, token)
        wait_for_status(server.url, token, first, "sent")
        (mail,) = smtp.messages
        check_mail(mail)
        check_sent(message_of(server, token, first))

        opt_out(server, unsubscribe_link(mail))
        commands_before = list(smtp.commands)
        second = send_order(server, token)
        wait_for_status(server.url, token, second, "opted_out")
        assert (smtp.commands, smtp.connections, len(smtp.messages)) == (commands_before, 1, 1)
        assert message_of(server, token, second)["provider"] is None

        dashboard = Browser(server.url)
        dashboard.submit("/login", email=OWNER, password=PASSWORD)
        dashboard.submit("/messages", action="/mode", mode="live", area="messages")
        check_rows(dashboard.read("/messages"), {first: "Sent", second: "Opted out"})
        assert "Order 1001" in dashboard.read(f"/messages/{first}")


# -- the one who runs the server ----------------------------------------------------------------


def shell(data_dir: Path, *arguments: str) -> str:
    """`senderkit admin <arguments>` to a good end; returns standard output."""
    done = run_cli(data_dir, "admin", *arguments, stdin=PASSWORD)
    assert done.returncode == 0, done.stderr
    return done.stdout


def mail_settings(smtp: FakeSmtp) -> dict[str, str]:
    return {
        "SMTP_URL": f"smtp://127.0.0.1:{smtp.port}",
        "MAIL_FROM": "Acme <hello@acme.example>",
    }


class Browser:
    """A browser without JavaScript: cookies, and forms with their CSRF token."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def read(self, path: str, form: dict[str, str] | None = None) -> str:
        data = None if form is None else urlencode(form).encode()
        with self._opener.open(f"{self._url}{path}", data, timeout=10) as answer:
            return str(answer.read().decode())

    def submit(self, page: str, *, action: str | None = None, **form: str) -> str:
        found = CSRF_FIELD.search(self.read(page))
        assert found, f"{page} has no form"
        return self.read(action or page, {"csrf_token": found[1], **form})


def check_rows(page: str, states: dict[str, str]) -> None:
    """Each message has a row of its own, with its state in words and its recipient."""
    rows = {id_: row for row in page.split("<tr>") for id_ in states if f"/{id_}" in row}
    assert rows.keys() == states.keys()
    for id_, state in states.items():
        assert f">{state}<" in rows[id_], rows[id_]
        assert READER in rows[id_]


# -- the app ------------------------------------------------------------------------------------


def make_template(server: Server, token: str) -> None:
    """A draft by the API; publishing is a person's, in the shell while the server runs."""
    draft = {"slug": "order-placed", "channel": "email", "content": CONTENT}
    assert call(f"{server.url}/v1/templates", token, draft)[0] == 201
    shell(server.data_dir, "templates", "publish", "order-placed")


def send_order(server: Server, token: str) -> str:
    status, accepted = call(f"{server.url}/v1/send", token, ORDER)
    assert (status, accepted["status"], accepted["livemode"]) == (202, "queued", True)
    return str(accepted["id"])


def message_of(server: Server, token: str, message_id: str) -> dict[str, Any]:
    status, message = call(f"{server.url}/v1/messages/{message_id}", token)
    assert (status, message["metadata"]) == (200, {"order": 1001})
    return dict(message)


def check_sent(message: dict[str, Any]) -> None:
    assert (message["provider"], message["error"]) == ("smtp", None)
    assert message["latencyMs"] >= 0
    events = [entry["e"] for entry in message["timeline"]]
    assert events == ["queued", "rendered", "dispatched", "sent"]
    times = [entry["t"] for entry in message["timeline"]]
    assert times == sorted(times)


# -- the reader ---------------------------------------------------------------------------------


def check_mail(mail: Received) -> None:
    assert (mail.mail_from, mail.recipients) == ("hello@acme.example", (READER,))
    assert mail.parsed["Subject"] == "Order 1001"
    assert mail.parsed["To"] == f"Ada Lovelace <{READER}>"
    body, file = mail.parsed.iter_parts()
    assert body.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in body.iter_parts()] == ["text/plain", "text/html"]
    assert mail.body("html") == "<p>Thank you, <b>Ada &amp; Co</b>.</p>"
    assert mail.body("plain") == "Thank you, Ada & Co."
    assert file.get_content_type() == "application/pdf"
    assert (file.get_filename(), file.get_content()) == ("receipt.pdf", RECEIPT)


def unsubscribe_link(mail: Received) -> str:
    """What a mail program's own button leads to (RFC 8058)."""
    assert mail.parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = str(mail.parsed["List-Unsubscribe"])
    assert link[0] + link[-1] == "<>"
    return link[1:-1]


def opt_out(server: Server, link: str) -> None:
    """The mail program's POST: no cookie, no login, no page before it."""
    assert link.startswith(f"{server.url}/unsubscribe/")
    Browser("").read(link, {"List-Unsubscribe": "One-Click"})
