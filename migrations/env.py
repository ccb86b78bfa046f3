"""Runs the migrations on the application's own engine, all of them in one transaction.

SQLite rebuilds a table by copying it: with foreign keys on, dropping the old one would empty its
children. So they are off before the transaction begins (inside one the pragma does nothing) and
checked before it commits. On Postgres a lock keeps two processes from migrating at once.
"""

from alembic import context
from flask import current_app
from sqlalchemy import Connection

_MIGRATION_LOCK = 7_364_100_001

database = current_app.extensions["migrate"].db


def _set_foreign_keys(connection: Connection, state: str) -> None:
    # Through the driver, because the engine would begin a transaction first.
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA foreign_keys={state}")
    cursor.close()


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise RuntimeError(f"the migration would leave {len(broken)} rows without their parent")


def _migrate(connection: Connection) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    with connection.begin():
        if not is_sqlite:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            render_as_batch=True,
            transactional_ddl=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        if is_sqlite:
            _check_foreign_keys(connection)


with database.engine.connect() as connection:
    if connection.dialect.name == "sqlite":
        _set_foreign_keys(connection, "OFF")
        try:
            _migrate(connection)
        finally:
            _set_foreign_keys(connection, "ON")
    else:
        _migrate(connection)
