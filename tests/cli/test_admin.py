"""`senderkit admin`: set-up, keys, templates and members from the shell."""

from __future__ import annotations

import re

import pytest

from senderkit.services import access
from senderkit.web.extensions import database
from tests.cli.calls import status_of
from tests.cli.conftest import Shell
from tests.make import OWNER, PASSWORD, WORKSPACE, Api, House, email_content
from tests.serving import serving

INIT = ("admin", "init", "--workspace", WORKSPACE, "--email", OWNER, "--password-stdin")
CREATE = ("admin", "keys", "create", "--name", "Shop", "--mode", "test")
TOKEN = re.compile(r"sk_(live|test)_[0-9A-Za-z]{49}\n")


def can_sign_in(house: House, email: str, password: str) -> bool:
    def try_it() -> bool:
        found = access.sign_in(database.session(), email, password, now=house.clock())
        return found is not None

    return bool(house.in_app(try_it))


# -- init -------------------------------------------------------------------------------------


def test_init_makes_the_owner_with_the_password_given(shell: Shell, empty_house: House) -> None:
    told = shell.run(*INIT, stdin=f"{PASSWORD}\nanother line\n")

    assert (told.returncode, told.stdout) == (0, "")
    assert told.stderr == f"Workspace '{WORKSPACE}' is ready; {OWNER} owns it.\n"
    assert can_sign_in(empty_house, OWNER, PASSWORD)
    assert not can_sign_in(empty_house, OWNER, f"{PASSWORD}\n")


def test_a_second_init_fails(set_up_shell: Shell, house: House) -> None:
    words = set_up_shell.fails(*INIT, stdin="another fine password")

    assert words == (
        "this server is set up already. Sign in, or add people with 'senderkit admin members add'."
    )
    assert can_sign_in(house, OWNER, PASSWORD)


def test_init_says_all_that_is_wrong_and_changes_nothing(shell: Shell, empty_house: House) -> None:
    words = shell.fails(
        "admin", "init", "--workspace", " ", "--email", "nobody", "--password-stdin", stdin="short"
    )

    assert [line.partition(":")[0] for line in words.splitlines()] == [
        "workspace",
        "email",
        "password",
    ]
    assert empty_house.rows("SELECT * FROM workspaces") == []


def test_a_password_on_windows_lines_is_read_without_its_line_end(
    shell: Shell, empty_house: House
) -> None:
    shell.does(*INIT, stdin=f"{PASSWORD}\r\n")

    assert can_sign_in(empty_house, OWNER, PASSWORD)


def test_no_password_at_all_is_refused(new_shell: Shell) -> None:
    assert new_shell.fails(*INIT, stdin="") == "password: Must have at least 12 characters."


# -- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["live", "test"])
def test_a_new_keys_token_stands_alone_on_standard_output(
    set_up_shell: Shell, house: House, mode: str
) -> None:
    done = set_up_shell.run("admin", "keys", "create", "--name", "Shop", "--mode", mode)

    assert done.returncode == 0
    assert TOKEN.fullmatch(done.stdout)
    assert re.fullmatch(r"key_\w{26}: full access\. Copy it now\.\n", done.stderr)
    answer = Api(house.app.test_client(), done.stdout.strip()).get("/v1/context")
    assert (answer.status_code, answer.json["mode"]) == (200, mode)  # type: ignore[index]


def test_a_new_key_has_the_scopes_asked_for(set_up_shell: Shell, house: House) -> None:
    token = set_up_shell.does(*CREATE, "--scope", "cancel", "--scope", "send").strip()
    api = Api(house.app.test_client(), token)

    assert api.get("/v1/context").status_code == 403
    message_id = api.send()
    assert api.delete(f"/v1/messages/{message_id}").status_code == 200
    assert house.rows("SELECT scopes FROM api_keys") == [("send cancel",)]


def test_an_unknown_scope_makes_no_key(set_up_shell: Shell, house: House) -> None:
    words = set_up_shell.fails(*CREATE, "--scope", "read", "--scope", "write")

    assert words == "scopes: 'write' is no scope. Known: read, send, cancel."
    assert house.rows("SELECT * FROM api_keys") == []


def test_an_unknown_mode_makes_no_key(new_shell: Shell) -> None:
    done = new_shell.run("admin", "keys", "create", "--name", "Shop", "--mode", "prod")

    assert (done.returncode, done.stdout) == (2, "")
    assert "'prod' is not one of 'live', 'test'" in done.stderr
    assert not new_shell.data_dir.exists()


def test_keys_are_listed_by_id_and_last_four_without_their_token(
    set_up_shell: Shell, house: House
) -> None:
    first = house.token("live", ["read"], name="Shop")
    house.clock.advance(seconds=1)
    second = house.token("test", name="Nightly jobs")
    house.runtime.usage.record(1, "GET /v1/context", "192.0.2.1")
    house.runtime.usage.flush()
    ids = dict(house.rows("SELECT name, public_id FROM api_keys"))

    listed = set_up_shell.does("admin", "keys", "list")

    assert listed.splitlines() == [
        f"{ids['Nightly jobs']}\tsk_test_…{second[-4:]}\ttest\tfull access\tactive\tnever used"
        "\tNightly jobs",
        f"{ids['Shop']}\tsk_live_…{first[-4:]}\tlive\tread\tactive\t2026-11-24T10:00:01.000Z\tShop",
    ]
    assert [token for token in (first, second) if token[8:-4] in listed] == []


def test_a_revoked_key_stays_listed(set_up_shell: Shell, house: House) -> None:
    house.token(name="Shop")
    [[public_id]] = house.rows("SELECT public_id FROM api_keys")

    set_up_shell.does("admin", "keys", "revoke", public_id)

    assert set_up_shell.does("admin", "keys", "list").split("\t")[4] == "revoked"


def test_a_revoked_key_is_refused_by_a_running_server_at_once(shell: Shell) -> None:
    shell.does(*INIT, stdin=PASSWORD)
    token = shell.does(*CREATE).strip()
    public_id = shell.does("admin", "keys", "list").split("\t")[0]

    with serving(shell.data_dir, **shell.settings) as server:
        before = status_of(f"{server.url}/v1/context", token)
        done = shell.run("admin", "keys", "revoke", public_id)
        after = status_of(f"{server.url}/v1/context", token)

    assert (before, after) == (200, 401)
    assert done.stderr == f"Revoked sk_test_…{token[-4:]} (Shop).\n"


def test_revoking_twice_is_harmless(set_up_shell: Shell, house: House) -> None:
    house.token()
    [[public_id]] = house.rows("SELECT public_id FROM api_keys")
    set_up_shell.does("admin", "keys", "revoke", public_id)
    first = house.rows("SELECT revoked_at FROM api_keys")

    set_up_shell.does("admin", "keys", "revoke", public_id)

    assert house.rows("SELECT revoked_at FROM api_keys") == first


def test_an_unknown_key_is_said(set_up_shell: Shell) -> None:
    assert set_up_shell.fails("admin", "keys", "revoke", "key_nobody") == (
        "There is no such API key: 'senderkit admin keys list' shows them, ids first."
    )


# -- templates --------------------------------------------------------------------------------


def with_versions(house: House, *subjects: str) -> None:
    house.template(publish=False, content=email_content(subject=subjects[0]))
    for subject in subjects[1:]:
        body = {"content": email_content(subject=subject)}
        assert house.api().post("/v1/templates/welcome/versions", body).status_code == 201


def published_subject(house: House) -> str | None:
    answer = house.api().post("/v1/templates/welcome/render", {"vars": {}}).json
    assert answer is not None
    subject: str | None = answer.get("output", {}).get("subject")
    return subject


def test_publishing_takes_the_newest_version_and_rolls_back_to_one_named(
    set_up_shell: Shell, house: House
) -> None:
    with_versions(house, "First", "Second")
    assert published_subject(house) is None

    newest = set_up_shell.run("admin", "templates", "publish", "Welcome")
    assert newest.stderr == "Version 2 of 'welcome' is published.\n"
    assert published_subject(house) == "Second"

    set_up_shell.does("admin", "templates", "publish", "welcome", "1")
    assert published_subject(house) == "First"


def test_unknown_templates_and_versions_are_said(set_up_shell: Shell, house: House) -> None:
    with_versions(house, "First")

    assert "no template 'welcom'" in set_up_shell.fails("admin", "templates", "publish", "welcom")
    assert "2" in set_up_shell.fails("admin", "templates", "publish", "welcome", "2")
    assert set_up_shell.run("admin", "templates", "publish", "welcome", "0").returncode == 2
    assert published_subject(house) is None


# -- members ----------------------------------------------------------------------------------


def test_a_member_is_added_and_may_sign_in(set_up_shell: Shell, house: House) -> None:
    done = set_up_shell.run(
        "admin", "members", "add", "--email", "Ben@Acme.example", "--password-stdin", stdin=PASSWORD
    )

    assert done.stderr == "ben@acme.example may sign in.\n"
    assert can_sign_in(house, "ben@acme.example", PASSWORD)
    assert house.rows("SELECT is_owner FROM members WHERE email = 'ben@acme.example'") == [(False,)]


def test_a_member_is_added_only_once(set_up_shell: Shell, house: House) -> None:
    add = ("admin", "members", "add", "--email", OWNER, "--password-stdin")

    words = set_up_shell.fails(*add, stdin="another fine password")

    assert words == "A member with this address exists already."
    assert can_sign_in(house, OWNER, PASSWORD)


def test_a_weak_password_is_no_members(set_up_shell: Shell, house: House) -> None:
    add = ("admin", "members", "add", "--email", "ben@acme.example", "--password-stdin")

    assert set_up_shell.fails(*add, stdin="ben@acme.example") == (
        "password: Must not be your email address or the workspace's name."
    )
    assert house.rows("SELECT count(*) FROM members") == [(1,)]


def test_setting_a_password_ends_every_session(set_up_shell: Shell, house: House) -> None:
    browsers = [house.owner(), house.owner()]
    assert [browser.get("/keys").status_code for browser in browsers] == [200, 200]
    command = ("admin", "members", "set-password", "--email", OWNER.upper(), "--password-stdin")

    done = set_up_shell.run(*command, stdin="quite another password")

    assert done.stderr == f"{OWNER} has a new password; old sessions have ended.\n"
    assert [browser.get("/keys").status_code for browser in browsers] == [302, 302]
    assert not can_sign_in(house, OWNER, PASSWORD)
    assert can_sign_in(house, OWNER, "quite another password")


def test_a_weak_password_changes_nothing(set_up_shell: Shell, house: House) -> None:
    command = ("admin", "members", "set-password", "--email", OWNER, "--password-stdin")

    assert set_up_shell.fails(*command, stdin="short") == (
        "password: Must have at least 12 characters."
    )
    assert can_sign_in(house, OWNER, PASSWORD)


def test_an_unknown_member_is_said(set_up_shell: Shell) -> None:
    command = ("admin", "members", "set-password", "--email", "x@acme.example", "--password-stdin")

    assert set_up_shell.fails(*command, stdin=PASSWORD) == (
        "there is no member with the address x@acme.example: 'senderkit admin members add' "
        "makes one."
    )
