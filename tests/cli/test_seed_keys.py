"""`SENDERKIT_SEED_KEYS`: a key that is known before the server exists."""

from __future__ import annotations

import threading
import time
from typing import Final

import pytest

from senderkit import keys
from senderkit.domain import Mode
from senderkit.models import ApiKey
from senderkit.seed_keys import SeedKey, declaration_of
from senderkit.services import access, api_keys
from senderkit.web.extensions import database
from tests.cli.calls import call, status_of
from tests.cli.conftest import Shell
from tests.make import OWNER, PASSWORD, WORKSPACE, House, raw_email
from tests.serving import serving

INIT: Final = ("admin", "init", "--workspace", WORKSPACE, "--email", OWNER, "--password-stdin")


def declared(*scopes: str, mode: Mode = Mode.TEST, name: str = "ci") -> tuple[str, str]:
    """A token, and its declaration."""
    minted = keys.mint(mode)
    seed = SeedKey(name, mode, minted.token_hash, minted.last_four, scopes)
    return minted.token, declaration_of(seed)


def with_keys(shell: Shell, *declarations: str) -> Shell:
    return Shell(shell.data_dir, shell.settings | {"SEED_KEYS": ",".join(declarations)})


def test_a_declared_key_works_before_the_set_up_and_after_it(
    unmigrated_url: str, new_shell: Shell
) -> None:
    token, declaration = declared()
    shell = Shell(new_shell.data_dir, {"DATABASE_URL": unmigrated_url, "SEED_KEYS": declaration})

    with serving(shell.data_dir, **shell.settings) as server:
        first = call(f"{server.url}/v1/context", token)
        assert call(f"{server.url}/v1/send", token, raw_email())[0] == 202
        assert "/setup" in server.log

        shell.does(*INIT, stdin=PASSWORD)

        second = call(f"{server.url}/v1/context", token)
        assert len(call(f"{server.url}/v1/messages", token)[1]["data"]) == 1
    assert (first[0], second[0]) == (200, 200)
    assert first[1]["mode"] == "test"
    assert first[1]["workspace"]["id"] == second[1]["workspace"]["id"]
    assert second[1]["workspace"]["name"] == WORKSPACE


def test_a_declared_key_has_its_mode_and_scopes(new_shell: Shell) -> None:
    reader, first = declared("read", mode=Mode.LIVE, name="reader")
    sender, second = declared("send", "cancel", name="sender")
    with serving(new_shell.data_dir, SEED_KEYS=f"{first},{second}") as server:
        context = call(f"{server.url}/v1/context", reader)
        assert (context[0], context[1]["mode"]) == (200, "live")
        assert call(f"{server.url}/v1/send", reader, raw_email())[0] == 403
        assert status_of(f"{server.url}/v1/context", sender) == 403
        assert call(f"{server.url}/v1/send", sender, raw_email())[0] == 202


def test_a_declared_key_does_not_stand_in_for_the_set_up(new_shell: Shell) -> None:
    shell = with_keys(new_shell, declared()[1])

    words = shell.fails("admin", "keys", "create", "--name", "Shop", "--mode", "test")

    assert words.startswith("this server is not set up yet")


def test_a_declared_key_is_listed_and_revoked_for_good(set_up_shell: Shell, house: House) -> None:
    token, declaration = declared()
    shell = with_keys(set_up_shell, declaration)
    listed = shell.does("admin", "keys", "list").split("\t")
    shown = f"sk_test_…{token[-4:]}"
    assert listed[1:] == [shown, "test", "full access", "active", "never used", "ci\n"]

    shell.does("admin", "keys", "revoke", listed[0])

    again = shell.does("admin", "keys", "list").split("\t")
    assert (again[0], again[4]) == (listed[0], "revoked")
    assert house.rows("SELECT count(*) FROM api_keys") == [(1,)]


def test_a_bad_declaration_stops_the_start(new_shell: Shell) -> None:
    token, _ = declared()
    shell = with_keys(new_shell, f"ci:test:{token}:{token[-4:]}")

    assert shell.fails("serve") == (
        "wrong settings.\nSENDERKIT_SEED_KEYS: key 'ci' needs mode live or test and a SHA-256 of "
        "64 hex digits."
    )
    assert not shell.data_dir.exists()


def _is_waited_for(house: House) -> bool:
    """Whether another connection to this Postgres database waits for a lock."""
    return house.rows(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ) != [(0,)]


@pytest.mark.parametrize("is_committed", [True, False])
def test_two_processes_that_declare_the_same_key_at_once_store_it_once(
    house: House, is_committed: bool
) -> None:
    seed = SeedKey("ci", Mode.TEST, "0" * 64, "aB3z", ())
    other = SeedKey("more", Mode.TEST, "1" * 64, "aB3z", ("read",))
    faults: list[BaseException] = []

    def declare() -> None:
        with house.app.app_context():
            session = database.session()
            workspace = access.ensure_workspace(session, now=house.clock())
            try:
                api_keys.seed_keys(session, workspace.id, [seed, other], house.clock())
            except BaseException as error:  # noqa: BLE001 - the assertion below shows it
                faults.append(error)

    thread = threading.Thread(target=declare)
    with house.app.app_context():
        session = database.session()
        workspace = access.ensure_workspace(session, now=house.clock())
        session.add(_row(workspace.id, seed, house))
        session.flush()
        thread.start()
        if house.runtime.engine.dialect.name == "postgresql":
            deadline = time.monotonic() + 30
            while not _is_waited_for(house) and time.monotonic() < deadline:
                time.sleep(0.01)
        session.commit() if is_committed else session.rollback()
    thread.join(timeout=30)

    assert faults == []
    assert house.rows("SELECT name FROM api_keys ORDER BY name") == [("ci",), ("more",)]


def _row(workspace_id: int, seed: SeedKey, house: House) -> ApiKey:
    return ApiKey(
        public_id="key_of_the_other_process",
        workspace_id=workspace_id,
        name=seed.name,
        livemode=False,
        token_hash=seed.token_hash,
        prefix="sk_test_",
        last_four=seed.last_four,
        scopes="",
        created_at=house.clock(),
        use_count=0,
    )
