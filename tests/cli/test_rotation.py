"""`senderkit admin rotate-encryption-key`: every credential opens at every moment of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, LargeBinary, event, insert, select

from senderkit import crypto
from senderkit.crypto import Vault
from senderkit.data_folder import locked_folder
from senderkit.domain import new_uuid
from senderkit.errors import SealBroken
from senderkit.models import Base, Connection
from senderkit.services import rotation
from tests.cli.conftest import Shell
from tests.make import House

ROTATE = ("admin", "rotate-encryption-key")
OLD, NEW, OTHER = (crypto.new_encryption_key() for _ in range(3))


class CutOffError(Exception):
    """The process ends here."""


def seal(house: House, key: str, count: int) -> list[dict[str, str]]:
    """Store connections whose credentials are sealed with a key; return the credentials."""
    now = house.clock()
    fields = [{"server_token": f"token {number}"} for number in range(count)]
    rows = [
        {
            "uuid": new_uuid(),
            "workspace_id": 1,
            "channel": "email",
            "provider": "postmark",
            "name": "An account",
            "sealed_fields": Vault([key]).seal(each),
            "created_at": now,
            "updated_at": now,
        }
        for each in fields
    ]
    with house.runtime.engine.begin() as connection:
        connection.execute(insert(Connection), rows)
    return fields


def opened(engine: Engine, *keys: str) -> list[dict[str, str]]:
    """All credentials, opened with these keys. Raises `SealBroken`."""
    with engine.connect() as connection:
        sealed = connection.scalars(select(Connection.sealed_fields).order_by(Connection.id))
        return [Vault(keys).unseal(each) for each in sealed]


def kept_keys(shell: Shell) -> list[str]:
    return (shell.data_dir / "encryption.key").read_text("utf-8").split()


# -- the service ------------------------------------------------------------------------------


def test_every_sealed_column_of_the_database_is_known() -> None:
    sealed = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.name.startswith("sealed")
    }
    known = {f"{each.class_.__tablename__}.{each.key}" for each in rotation.SEALED}
    assert known == sealed
    assert len(known) == 2


def test_everything_is_sealed_with_the_first_key(house: House) -> None:
    fields = seal(house, OLD, 250)
    engine = house.runtime.engine

    assert rotation.reseal_all(engine, Vault([NEW, OLD])) == rotation.Resealed(250, 0)
    assert opened(engine, NEW) == fields
    assert rotation.reseal_all(engine, Vault([NEW, OLD])) == rotation.Resealed(0, 0)


@pytest.mark.parametrize("cut_at", [1, 2, 3])
def test_cut_off_anywhere_every_credential_still_opens(house: House, cut_at: int) -> None:
    fields = seal(house, OLD, 250)
    engine, updates = house.runtime.engine, 0

    def cut_off(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal updates
        updates += statement.startswith("UPDATE")
        if updates == cut_at:
            raise CutOffError

    event.listen(engine, "after_cursor_execute", cut_off)
    with pytest.raises(CutOffError):
        rotation.reseal_all(engine, Vault([NEW, OLD]))
    event.remove(engine, "after_cursor_execute", cut_off)

    assert opened(engine, NEW, OLD) == fields
    assert not rotation.is_resealed(engine, Vault([NEW, OLD]))
    changed = rotation.reseal_all(engine, Vault([NEW, OLD])).changed
    assert changed == 250 - 100 * (cut_at - 1)
    assert opened(engine, NEW) == fields


def test_what_no_key_opens_is_counted_and_left_alone(house: House) -> None:
    seal(house, OTHER, 2)
    seal(house, OLD, 1)

    done = rotation.reseal_all(house.runtime.engine, Vault([NEW, OLD]))

    assert done == rotation.Resealed(changed=1, unopened=2)
    assert rotation.is_resealed(house.runtime.engine, Vault([NEW, OLD]))
    assert len(opened(house.runtime.engine, NEW, OTHER)) == 3


# -- the command: keys in the data folder -----------------------------------------------------


def test_a_kept_key_is_rotated_and_the_old_one_goes_when_told(
    set_up_shell: Shell, house: House
) -> None:
    set_up_shell.does("admin", "keys", "list")  # the first start makes the key
    [old] = kept_keys(set_up_shell)
    fields = seal(house, old, 3)

    told = set_up_shell.run(*ROTATE)
    assert (told.returncode, told.stdout) == (0, "")
    assert told.stderr.startswith("Sealed anew with the first key: 3.\n")
    new, kept = kept_keys(set_up_shell)
    assert kept == old
    assert opened(house.runtime.engine, new) == fields

    told = set_up_shell.run(*ROTATE, "--remove-old")
    assert told.stderr.endswith("The old keys are removed.\n")
    assert kept_keys(set_up_shell) == [new]
    assert (set_up_shell.data_dir / "encryption.key").stat().st_mode & 0o777 == 0o600
    assert "nothing is left of an older one" in set_up_shell.fails(*ROTATE, "--remove-old")
    assert new not in told.stderr


def test_a_rotation_that_was_cut_off_goes_on_with_its_key(
    set_up_shell: Shell, house: House
) -> None:
    folder = set_up_shell.data_dir
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "encryption.key").write_text(f"{NEW}\n{OLD}\n", "utf-8")
    fields = seal(house, NEW, 1) + seal(house, OLD, 1)

    set_up_shell.does(*ROTATE)

    assert kept_keys(set_up_shell) == [NEW, OLD]
    assert opened(house.runtime.engine, NEW) == fields


def test_two_rotations_at_once_are_one(set_up_shell: Shell, house: House) -> None:
    set_up_shell.does("admin", "keys", "list")
    before = kept_keys(set_up_shell)
    with locked_folder(set_up_shell.data_dir):
        words = set_up_shell.fails(*ROTATE)

    assert "another process is changing the secrets" in words
    assert kept_keys(set_up_shell) == before


# -- the command: keys from the environment ---------------------------------------------------


def given(shell: Shell, *keys: str) -> Shell:
    return Shell(shell.data_dir, shell.settings | {"ENCRYPTION_KEY": ",".join(keys)})


def test_given_keys_are_rotated_once_the_new_one_stands_first(
    set_up_shell: Shell, house: House
) -> None:
    fields = seal(house, OLD, 2)

    words = given(set_up_shell, OLD).fails(*ROTATE)
    assert "put a new one before it" in words
    assert opened(house.runtime.engine, OLD) == fields

    given(set_up_shell, NEW, OLD).does(*ROTATE)
    assert opened(house.runtime.engine, NEW) == fields
    told = given(set_up_shell, NEW, OLD).run(*ROTATE, "--remove-old")
    assert "take the others out of SENDERKIT_ENCRYPTION_KEY" in told.stderr
    assert not Path(set_up_shell.data_dir, "encryption.key").exists()


def test_a_new_key_is_printed_alone(new_shell: Shell) -> None:
    printed = new_shell.does(*ROTATE, "--print-new")

    assert Vault([printed.strip()]).unseal(Vault([printed.strip()]).seal({"a": "b"})) == {"a": "b"}
    assert not new_shell.data_dir.exists()


# -- a server that runs meanwhile -------------------------------------------------------------


def test_a_running_vault_learns_of_the_new_key_by_itself() -> None:
    kept = [OLD]
    vault = Vault([OLD], lambda: tuple(kept))
    kept.insert(0, NEW)

    assert vault.unseal(Vault([NEW]).seal({"a": "b"})) == {"a": "b"}
    assert Vault([NEW]).unseal(vault.seal({"a": "b"})) == {"a": "b"}
    kept.clear()  # a file that cannot be read right now
    assert Vault([NEW]).unseal(vault.seal({"a": "b"})) == {"a": "b"}
    with pytest.raises(SealBroken):
        vault.unseal(Vault([OTHER]).seal({"a": "b"}))
