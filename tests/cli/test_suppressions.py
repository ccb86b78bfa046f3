"""`senderkit admin suppressions`: the list as a file."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Shell
from tests.make import House

SUPPRESSIONS = ("admin", "suppressions")
CONTENT = (
    "channel,recipient,reason,since\r\n"
    "email,ada@example.com,unsubscribed,2026-01-01T10:00:00Z\r\n"
    "sms,+15555550100,manual,2026-01-03T00:00:00Z\r\n"
)


def test_a_list_comes_in_and_goes_out_the_same(set_up_shell: Shell, house: House) -> None:
    told = set_up_shell.run(*SUPPRESSIONS, "import", "-", stdin=CONTENT)
    assert (told.returncode, told.stderr) == (0, "Added: 2. On the list already: 0.\n")
    exported = set_up_shell.does(*SUPPRESSIONS, "export")
    assert exported.splitlines() == CONTENT.splitlines()
    only = set_up_shell.does(*SUPPRESSIONS, "export", "--channel", "sms").splitlines()
    assert [line.split(",")[0] for line in only] == ["channel", "sms"]


def test_bad_lines_are_told_and_left_out(set_up_shell: Shell, house: House, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("ada@example.com\nnobody\n", "utf-8")
    told = set_up_shell.run(*SUPPRESSIONS, "import", "--channel", "email", str(file))
    assert told.returncode == 1
    assert "Added: 1. On the list already: 0.\nline 2: nobody: Must be one email" in told.stderr
    assert told.stderr.endswith("Error: 1 of the lines were left out.\n")
    assert len(house.rows("SELECT 1 FROM suppressions")) == 1


def test_a_file_that_is_no_text_is_told(set_up_shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(b"\xff\xfea")
    assert "not UTF-8" in set_up_shell.fails(*SUPPRESSIONS, "import", str(file))
