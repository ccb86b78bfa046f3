"""`send` and `send-raw`: every field of the API as an option."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from senderkit.cli.sends import send, send_raw
from senderkit.client import (
    EmailContent,
    PushContent,
    RawSend,
    SenderKit,
    SmsContent,
    TemplateSend,
    WebPushContent,
)
from tests.client.cli.conftest import Cli

SUBSCRIPTION = {
    "endpoint": "https://push.example.com/send/abc",
    "keys": {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx"
        "aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    },
}


def test_a_template_is_sent(cli: Cli, sk: SenderKit) -> None:
    answer = cli.answers("send", "welcome", "ada@example.com", "--vars", "name=Ada")

    message = sk.messages.get(answer["id"])
    assert answer == {"id": message.public_id, "status": "queued", "livemode": False}
    assert (message.template_slug, message.vars) == ("welcome", {"name": "Ada"})


def test_every_field_of_a_template_send_arrives(cli: Cli, sk: SenderKit) -> None:
    (cli.folder / "vars.json").write_text('{"name": "Ada", "items": [1, 2]}')
    (cli.folder / "report.txt").write_text("All is well.")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()

    answer = cli.answers(
        *("send", "welcome", "ada@example.com", "--version", "1", "--channel", "email"),
        *("--vars", "@vars.json", "--vars", "name=Grace", "--locale", "pt-BR"),
        *("--metadata", '{"order": 1001, "vip": true}', "--metadata", "shop=north"),
        *("--scheduled-at", tomorrow, "--from", "shop@acme.example", "--from-name", "Shop"),
        *("--cc", "ops@example.com", "--cc", "boss@example.com", "--bcc", "log@example.com"),
        *("--reply-to", "help@example.com", "--attach", "report.txt;name=Report.txt"),
        *("--idempotency-key", "every field"),
    )

    message = sk.messages.get(answer["id"])
    assert answer["status"] == message.status == "scheduled"
    assert message.vars == {"name": "Grace", "items": [1, 2]}
    assert message.metadata == {"order": 1001, "vip": True, "shop": "north"}
    assert message.from_override is not None
    assert "shop@acme.example" in message.from_override
    assert message.template_version == 1


def test_a_repeated_key_says_so(cli: Cli) -> None:
    command = ("send", "welcome", "ada@example.com", "--idempotency-key", "said twice")

    first, again = cli.does(*command), cli.does(*command)

    assert "replayed" not in first
    assert first.splitlines()[0].split() == again.splitlines()[0].split()
    assert "replayed" in again


def test_raw_content_of_every_channel_is_sent(cli: Cli, sk: SenderKit) -> None:
    (cli.folder / "subscription.json").write_text(json.dumps(SUBSCRIPTION))
    (cli.folder / "mail.html").write_text("<p>Hello, {{name}}.</p>")
    sends: dict[str, tuple[str, ...]] = {
        "email": (
            *("ada@example.com", "--subject", "Hi", "--html-file", "mail.html"),
            *("--text", "Hi", "--preheader", "Look", "--interpolate", "--vars", "name=Ada"),
        ),
        "sms": ("+15551234567", "--body", "Your code is 123456"),
        "push": (
            *("device-token", "--title", "Sold", "--body", "Your bike", "--badge", "1"),
            *("--sound", "bell", "--data", "order=1001"),
        ),
        "web-push": (
            *("@subscription.json", "--title", "Back", "--body", "In stock", "--badge", "2"),
            *("--icon", "https://a.example/i.png", "--click-url", "https://a.example/"),
            *("--data", '{"n": "1"}'),
        ),
    }
    for channel, arguments in sends.items():
        answer = cli.answers("send-raw", *arguments, "--channel", channel)
        assert sk.messages.wait(answer["id"], until="delivered").channel == channel


def test_whole_content_may_come_from_a_file(cli: Cli, sk: SenderKit) -> None:
    (cli.folder / "content.json").write_text('{"subject": "From a file", "html": "<p>Hi</p>"}')
    whole = ("--content", "@content.json", "--subject", "From the option")

    answer = cli.answers("send-raw", "ada@example.com", "--channel", "email", *whole)

    assert sk.messages.wait(answer["id"], until="delivered").status == "delivered"


def test_html_may_come_from_standard_input(cli: Cli) -> None:
    where = ("ada@example.com", "--channel", "email", "--subject", "Hi", "--html-file", "-")

    assert cli.does("send-raw", *where, stdin="<p>Hi</p>").startswith("id")


@pytest.mark.parametrize(
    ("command", "kinds"),
    [
        (send, [TemplateSend]),
        (send_raw, [RawSend, EmailContent, SmsContent, PushContent, WebPushContent]),
    ],
)
def test_every_field_has_an_option(command: Any, kinds: list[type]) -> None:
    names = {option.strip("-").replace("-", "_") for p in command.params for option in p.opts}
    others = {"attachments": "attach", "from_": "from"}
    fields = {name for kind in kinds for name in kind.__annotations__}

    assert {name for name in fields if others.get(name, name) not in names} == set()


def test_every_bad_field_is_named_at_once(cli: Cli) -> None:
    words = cli.fails("send", "welcome", "a@example.com", "--scheduled-at", "soon", "--cc", "?")

    assert {line.split(":")[0] for line in words.splitlines()[1:]} == {"  cc.0", "  scheduledAt"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--vars", "name"), "'name' is neither JSON, nor @file, nor key=value"),
        (("--vars", "{"), "this is not JSON"),
        (("--vars", '{"a": NaN}'), "NaN is no JSON number"),
        (("--vars", "@nowhere.json"), "cannot read nowhere.json"),
        (("--attach", "nowhere.pdf"), "cannot read nowhere.pdf"),
    ],
)
def test_what_cannot_be_read_is_said_before_anything_is_sent(
    cli: Cli, arguments: tuple[str, ...], words: str
) -> None:
    done = cli.run("send", "welcome", "ada@example.com", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert f"'{arguments[0]}'" in done.stderr


def test_a_field_of_another_channel_is_refused(cli: Cli) -> None:
    done = cli.run("send-raw", "+15551234567", "--channel", "sms", "--body", "x", "--subject", "y")

    assert (done.returncode, done.stdout) == (2, "")
    assert "sms has no such field" in done.stderr
    assert "'--subject'" in done.stderr


def test_attachments_say_what_they_are(cli: Cli) -> None:
    (cli.folder / "logo.png").write_bytes(b"\x89PNG")
    cli.does(
        *("send-raw", "ada@example.com", "--channel", "email", "--subject", "s", "--html", "h"),
        *("--attach", "logo.png;type=image/x-logo;name=L.png;cid=logo"),
    )
    done = cli.run("send", "welcome", "ada@example.com", "--attach", "logo.png;size=3")

    assert "'size=3' is not one of type=…, name=…, cid=… and inline" in done.stderr
