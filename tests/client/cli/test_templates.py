"""`templates`: list, get, render, and the folders that git keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from senderkit.client import SenderKit
from tests.client.cli.conftest import Cli
from tests.client.conftest import Home

CODE = {"channel": "sms", "description": "Codes", "variables": [{"name": "code", "type": "string"}]}


def write(cli: Cli, slug: str, main: dict[str, Any], **bodies: str) -> Path:
    """A template's folder; `bodies` by the end of their name (`txt`)."""
    folder = cli.folder / "templates" / slug
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "template.json").write_text(json.dumps(main))
    for end, text in bodies.items():
        (folder / f"body.{end}").write_text(text)
    return folder


@pytest.fixture
def slug(request: pytest.FixtureRequest) -> str:
    """A slug that no other test uses."""
    name: str = request.node.name
    return "cli-" + name.removeprefix("test_").replace("_", "-")[:60]


def test_templates_are_listed_and_shown(cli: Cli, sk: SenderKit) -> None:
    table = cli.does("templates", "list")

    assert table.splitlines()[0].split() == ["SLUG", "CHANNEL", "STATUS", "UPDATED", "DESCRIPTION"]
    assert "Greets a new user" in table
    assert "version 1" in cli.does("templates", "get", "welcome")
    assert cli.answers("templates", "get", "welcome") == sk.templates.get("welcome").raw
    assert cli.answers("templates", "list") == {"data": [t.raw for t in sk.templates.list()]}


def test_a_template_that_is_not_there_is_said(cli: Cli) -> None:
    assert "nowhere" in cli.fails("templates", "get", "nowhere")


def test_rendering_shows_the_result_and_names_what_is_missing(cli: Cli, sk: SenderKit) -> None:
    full = cli.run("templates", "render", "welcome", "--vars", "name=Ada")
    bare = cli.run("templates", "render", "welcome")

    assert full.stdout.startswith("subject:\nHello Ada\n")
    assert (full.stderr, bare.stderr) == ("", "Not given: name.\n")
    rendered = sk.templates.render("welcome", {"name": "Ada"})
    arguments = ("templates", "render", "welcome", "--vars", "name=Ada", "--version", "1")
    assert cli.answers(*arguments) == rendered.raw


def test_a_folder_becomes_a_draft_and_only_what_differs_is_pushed(
    cli: Cli, sk: SenderKit, slug: str
) -> None:
    write(cli, slug, CODE, txt="{{code}} is your code.\n")
    push = ("templates", "push", slug)

    assert cli.does(*push, "--dry-run") == f"{slug}: created\n"
    assert slug not in [template.slug for template in sk.templates.list()]
    assert cli.does(*push) == f"{slug}: created\n"
    assert cli.does(*push) == f"{slug}: unchanged\n"

    write(cli, slug, CODE | {"description": "Codes to sign in"}, txt="Your code: {{code}}")
    assert cli.does(*push) == f"{slug}: new version, description\n"

    template = sk.templates.get(slug)
    assert (template.status, template.description) == ("draft", "Codes to sign in")
    assert sk.templates.version(slug, 2).content == {"body": "Your code: {{code}}"}
    assert [variable.name for variable in sk.templates.version(slug, 2).variables] == ["code"]


def test_what_was_pushed_comes_back_as_it_was(cli: Cli, sk: SenderKit, slug: str) -> None:
    content = {"subject": "Grüße {{name}}", "html": "<p>a</p>\r\n<p>b</p>\n", "preheader": "p"}
    sk.templates.create(slug, content, channel="email", description="Ünï")
    pull = ("templates", "pull", slug, "--dir", "mails")

    assert cli.does(*pull) == f"{slug}: written\n"
    assert cli.does(*pull) == f"{slug}: unchanged\n"
    assert cli.does("templates", "push", "--dir", "mails") == f"{slug}: unchanged\n"
    folder = cli.folder / "mails" / slug
    assert (folder / "body.html").read_bytes() == b"<p>a</p>\r\n<p>b</p>\n\n"
    assert "Grüße" in (folder / "template.json").read_text("utf-8")


def test_translations_come_and_go_with_the_files(cli: Cli, sk: SenderKit, slug: str) -> None:
    content = {"subject": "Hello", "html": "<p>Hello", "text": "Hello"}
    translations = {
        "de": {"subject": "Hallo", "html": "<p>Hallo"},
        "pt-br": {"text": "Oi"},
        "fr": {"mjml": "<mjml><mj-body></mj-body></mjml>"},
    }
    sk.templates.create(slug, content, channel="email", translations=translations)
    cli.does("templates", "pull", slug)
    folder = cli.folder / "templates" / slug
    assert (folder / "body.de.html").read_text("utf-8") == "<p>Hallo\n"
    assert (folder / "body.pt-br.txt").read_text("utf-8") == "Oi\n"
    assert '"de": {\n      "subject": "Hallo"' in (folder / "template.json").read_text("utf-8")
    assert cli.does("templates", "push", slug) == f"{slug}: unchanged\n"

    (folder / "body.de.html").write_text("<p>Servus\n")
    (folder / "body.it.html").write_text("<p>Ciao\n")
    (folder / "body.pt-br.txt").unlink()
    assert cli.does("templates", "push", slug) == f"{slug}: new version\n"
    pushed = sk.templates.version(slug, 2).raw["translations"]
    assert pushed["de"] == {"subject": "Hallo", "html": "<p>Servus"}
    assert pushed["it"] == {"html": "<p>Ciao"}
    assert pushed["pt-br"] == {}

    sk.templates.add_version(slug, content)
    cli.does("templates", "pull", slug)
    assert sorted(path.name for path in folder.iterdir()) == [
        "body.html",
        "body.txt",
        "template.json",
    ]


def test_a_pull_removes_our_files_that_are_of_no_use_and_no_others(
    cli: Cli, sk: SenderKit, slug: str
) -> None:
    sk.templates.create(slug, {"body": "Hi"}, channel="sms")
    folder = write(cli, slug, {"channel": "email"}, html="old")
    (folder / "README.md").write_text("Notes")

    cli.does("templates", "pull", slug)

    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "body.txt",
        "template.json",
    ]


def test_without_names_everything_is_pulled(cli: Cli, sk: SenderKit) -> None:
    cli.does("templates", "pull")

    found = {path.name for path in (cli.folder / "templates").iterdir()}
    assert {"welcome", "login-code"} <= found
    assert found == {t.slug for t in sk.templates.list() if t.status != "archived"}


def test_a_wrong_folder_is_named_before_anything_is_pushed(
    cli: Cli, sk: SenderKit, slug: str
) -> None:
    write(cli, slug, CODE, txt="Hi")
    write(cli, f"{slug}-b", {"channel": "fax"})

    words = cli.fails("templates", "push")

    assert words.startswith(f"{slug}-b: template.json: 'channel' must be one of")
    assert slug not in [template.slug for template in sk.templates.list()]
    assert cli.fails("templates", "push", "../x").startswith("../x: '../x' is no slug")
    assert "holds no template" in cli.fails("templates", "push", "--dir", "empty")


def test_one_refused_template_leaves_the_others_alone(cli: Cli, sk: SenderKit, slug: str) -> None:
    write(cli, f"{slug}-a", CODE, txt="{{#open}}")
    write(cli, f"{slug}-b", CODE, txt="Hi")

    done = cli.run("templates", "push")

    assert (done.returncode, done.stdout) == (1, f"{slug}-b: created\n")
    assert done.stderr.startswith(f"{slug}-a: ")
    assert f"Error: not pushed: {slug}-a." in done.stderr


def test_a_channel_cannot_be_changed(cli: Cli) -> None:
    write(cli, "welcome", CODE, txt="Hi")

    assert "A channel cannot be changed" in cli.fails("templates", "push", "welcome")


def test_a_key_that_may_only_read_pulls_but_does_not_push(cli: Cli, home: Home, slug: str) -> None:
    reader = cli.given(API_KEY=home.scoped_keys["read"])
    reader.does("templates", "pull", "welcome")
    write(cli, slug, CODE, txt="Hi")

    done = reader.run("templates", "push", slug)

    assert done.returncode == 1
    assert "lacks the 'send' scope" in done.stderr
