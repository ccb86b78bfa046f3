"""Rotating the encryption key: whatever is sealed is sealed anew with the first key.

It may be stopped at any moment: each row is sealed by the old key or by the new one, and a vault
with both opens either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, bindparam, select, update
from sqlalchemy.orm import InstrumentedAttribute

from senderkit.crypto import Vault
from senderkit.errors import SealBroken
from senderkit.models import Connection, WebhookEndpoint

Column = InstrumentedAttribute[bytes]

SEALED: Final[tuple[Column, ...]] = (Connection.sealed_fields, WebhookEndpoint.sealed_secret)
"""Every column that holds what a vault has sealed; its table has an `id`."""

_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many rows were sealed anew, and how many no known key opens."""

    changed: int = 0
    unopened: int = 0

    def __add__(self, other: Resealed) -> Resealed:
        return Resealed(self.changed + other.changed, self.unopened + other.unopened)


def reseal_all(engine: Engine, vault: Vault) -> Resealed:
    """Seal every row with the vault's first key, some rows to a transaction."""
    return sum((_reseal_column(engine, vault, column) for column in SEALED), Resealed())


def is_resealed(engine: Engine, vault: Vault) -> bool:
    """Whether nothing waits to be sealed with the first key. What no key opens does not count."""
    with engine.connect() as connection:
        return not any(
            _seal_anew(vault, list(enumerate(connection.scalars(select(column)))))[0]
            for column in SEALED
        )


def _reseal_column(engine: Engine, vault: Vault, column: Column) -> Resealed:
    done, last_id = Resealed(), 0
    while True:
        with engine.begin() as connection:
            rows = _read_batch(connection, column, last_id)
            anew, unopened = _seal_anew(vault, rows)
            _store(connection, column, anew)
        done += Resealed(len(anew), unopened)
        if len(rows) < _BATCH:
            return done
        last_id = rows[-1][0]


def _read_batch(
    connection: DatabaseConnection, column: Column, last_id: int
) -> list[tuple[int, bytes]]:
    id_ = column.class_.__table__.c.id
    statement = select(id_, column).where(id_ > last_id).order_by(id_).limit(_BATCH)
    return [(row[0], row[1]) for row in connection.execute(statement.with_for_update())]


def _seal_anew(
    vault: Vault, rows: Sequence[tuple[int, bytes]]
) -> tuple[list[tuple[int, bytes]], int]:
    """What is not sealed with the first key yet, sealed with it; and how many do not open."""
    anew: list[tuple[int, bytes]] = []
    unopened = 0
    for id_, sealed in rows:
        try:
            resealed = vault.reseal(sealed)
        except SealBroken:
            unopened += 1
            continue
        if resealed is not None:
            anew.append((id_, resealed))
    return anew, unopened


def _store(
    connection: DatabaseConnection, column: Column, anew: Sequence[tuple[int, bytes]]
) -> None:
    """`updated_at` stays: the credentials are the same, and so are the adapters made of them."""
    if anew:
        table = column.class_.__table__
        statement = update(table).where(table.c.id == bindparam("of_id"))
        values = [{"of_id": id_, "resealed": sealed} for id_, sealed in anew]
        connection.execute(statement.values({column.key: bindparam("resealed")}), values)
