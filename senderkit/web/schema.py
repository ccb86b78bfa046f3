"""The database's schema: brought up to the newest migration, and checked for it."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import Flask
from sqlalchemy import Connection, Select, column, select, table
from sqlalchemy.exc import DatabaseError

from senderkit import resources
from senderkit.errors import SenderKitError

_VERSION: Final[Select[tuple[Any]]] = select(column("version_num")).select_from(
    table("alembic_version")
)


class SchemaError(SenderKitError):
    """The database cannot be brought to this release's schema; the text says what to do."""


def upgrade_schema(app: Flask) -> None:
    """Run every migration that is missing, in one transaction.

    Raises `SchemaError` for a database of a newer release; database errors go through.
    """
    with app.app_context():
        try:
            command.upgrade(_alembic_config(app), "head")
        except CommandError as error:
            raise SchemaError(
                "The database was made by a newer release of SenderKit. Install that release, or "
                f"restore a backup from before. ({error})"
            ) from error


def _alembic_config(app: Flask) -> Any:
    return app.extensions["migrate"].migrate.get_config(None)


@cache
def newest_revision() -> str | None:
    """The name of the newest migration that this release knows."""
    return ScriptDirectory(str(resources.migrations_dir())).get_current_head()


def is_current(connection: Connection) -> bool:
    """Whether the database stands at the newest migration; False when it was never migrated."""
    try:
        found = connection.execute(_VERSION).scalar_one_or_none()
    except DatabaseError as error:
        if error.connection_invalidated:
            raise
        return False
    return found == newest_revision()
