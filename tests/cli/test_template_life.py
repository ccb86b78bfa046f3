"""`senderkit admin templates`: rename, duplicate, archive, restore, and files out and in."""

from __future__ import annotations

from pathlib import Path

import pytest

from senderkit.template_archives import from_archive, to_archive
from senderkit.template_folders import TemplateFolder
from tests.cli.conftest import Shell
from tests.make import House, email_content

TEMPLATES = ("admin", "templates")


def status_of_send(house: House, slug: str) -> int:
    return house.api().post("/v1/send", {"template": slug, "to": "a@b.example"}).status_code


def test_a_template_is_renamed_and_its_earlier_slug_removed(
    set_up_shell: Shell, house: House
) -> None:
    house.template()
    set_up_shell.does(*TEMPLATES, "rename", "welcome", "hello")
    assert set_up_shell.does(*TEMPLATES, "aliases", "hello") == "welcome\n"
    assert status_of_send(house, "welcome") == 202
    set_up_shell.does(*TEMPLATES, "remove-alias", "hello", "welcome")
    assert status_of_send(house, "welcome") == 404
    told = set_up_shell.fails(*TEMPLATES, "remove-alias", "hello", "welcome")
    assert "'senderkit admin templates aliases hello' lists them" in told
    done = set_up_shell.run(*TEMPLATES, "rename", "hello", "hi", "--no-alias")
    assert "Sent by the old slug in the last 7 days: An app." in done.stderr
    assert status_of_send(house, "hello") == 404
    assert "slug: Must be 1 to 100" in set_up_shell.fails(*TEMPLATES, "rename", "hi", "No Slug")


def test_a_template_is_copied_archived_and_restored(set_up_shell: Shell, house: House) -> None:
    house.template()
    set_up_shell.does(*TEMPLATES, "duplicate", "welcome", "copy")
    assert "already" in set_up_shell.fails(*TEMPLATES, "duplicate", "welcome", "copy")
    set_up_shell.does(*TEMPLATES, "archive", "copy")
    assert status_of_send(house, "copy") == 422
    set_up_shell.does(*TEMPLATES, "restore", "copy")
    assert status_of_send(house, "copy") == 202
    assert "no template 'none'" in set_up_shell.fails(*TEMPLATES, "archive", "none")


def test_templates_go_out_and_come_in(set_up_shell: Shell, house: House, tmp_path: Path) -> None:
    house.template(translations={"de": {"subject": "Hallo"}})
    file = tmp_path / "templates.zip"
    set_up_shell.does(*TEMPLATES, "export", "--output", str(file))
    [found] = from_archive(file.read_bytes()).templates
    assert found.translations == {"de": {"subject": "Hallo"}}
    assert set_up_shell.does(*TEMPLATES, "import", str(file)) == "welcome: unchanged\n"

    changed = TemplateFolder("welcome", "email", email_content(subject="Hi"))
    new = TemplateFolder("new", "sms", {"body": "B"})
    file.write_bytes(to_archive([changed, new, TemplateFolder("bad", "sms", {"body": "{{#a}}"})]))
    for options in (("--dry-run",), ()):
        done = set_up_shell.run(*TEMPLATES, "import", *options, str(file))
        assert done.returncode == 1
        assert done.stdout == "new: new\nwelcome: draft 2\n"
        assert "bad: left out: content.body:" in done.stderr
        assert done.stderr.endswith("Error: 1 were left out.\n")
    assert house.rows("SELECT count(*) FROM template_versions") == [(3,)]


@pytest.mark.parametrize("content", [b"", b"PK no zip"])
def test_what_is_no_zip_is_told(new_shell: Shell, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(content)
    told = new_shell.fails(*TEMPLATES, "import", str(file))
    assert told == "This is no zip file that can be read."
