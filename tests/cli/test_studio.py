"""`senderkit admin blocks` and `admin themes`."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Shell
from tests.make import House, email_content

BLOCKS = ("admin", "blocks")


def test_a_block_is_saved_shown_listed_and_removed(
    set_up_shell: Shell, house: House, tmp_path: Path
) -> None:
    file = tmp_path / "footer.html"
    file.write_text("<p>One</p>\n", "utf-8")
    done = set_up_shell.run(*BLOCKS, "save", "footer", str(file), "--description", "Legal\nlines")
    assert (done.returncode, done.stderr) == (0, "Version 1 of the block 'footer' is current.\n")
    house.template(content=email_content(html="{{> footer}}"))
    saved = set_up_shell.run(*BLOCKS, "save", "footer", "-", "--note", "N", stdin="<p>Two</p>\n")
    assert saved.stderr.endswith("It changes welcome from the next send on.\n")

    assert set_up_shell.does(*BLOCKS, "show", "footer") == "<p>Two</p>\n"
    [line] = set_up_shell.does(*BLOCKS, "list").splitlines()
    name, number, _, live, description = line.split("\t")
    assert (name, number, live, description) == ("footer", "2", "welcome", "Legal lines")
    assert "live templates name it: welcome" in set_up_shell.fails(*BLOCKS, "remove", "footer")
    set_up_shell.does(*BLOCKS, "remove", "footer", "--yes")
    assert house.rows("SELECT 1 FROM blocks") == []


def test_a_bad_block_is_told_and_nothing_is_stored(set_up_shell: Shell, house: House) -> None:
    told = set_up_shell.fails(*BLOCKS, "save", "Foot er", "-", stdin=" ")
    assert "name: Must be" in told
    assert "content: Give the content" in told
    assert "is never closed" in set_up_shell.fails(*BLOCKS, "save", "a", "-", stdin="{{#open}}")
    assert "no block 'a'" in set_up_shell.fails(*BLOCKS, "show", "a")
    assert "no block 'a'" in set_up_shell.fails(*BLOCKS, "remove", "a")
    assert house.rows("SELECT 1 FROM blocks") == []


def test_themes_are_listed(set_up_shell: Shell, house: House) -> None:
    house.write(
        'INSERT INTO themes (public_id, workspace_id, name, "values", is_default, created_at, '
        "updated_at) SELECT 'thm_1', id, 'Acme', :given, :yes, created_at, created_at "
        "FROM workspaces",
        given='{"accent": "#aa0055"}',
        yes=True,
    )
    listed = set_up_shell.does("admin", "themes", "list")
    assert listed == "thm_1\tAcme\tdefault\tsystem\t#aa0055\tnone\n"
