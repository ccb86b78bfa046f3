"""Index what messages are searched by, and remember which repeat an earlier one."""

import sqlalchemy as sa
import structlog
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# As in 0001: what both databases store for a moment, and for a row's own number.
MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INDEX_STATEMENTS = {
    "sqlite": (
        "CREATE VIRTUAL TABLE message_documents_index USING fts5("
        "document, content='message_documents', content_rowid='message_id', "
        "tokenize='trigram case_sensitive 1')",
        "CREATE TRIGGER message_documents_added AFTER INSERT ON message_documents BEGIN "
        "INSERT INTO message_documents_index (rowid, document) "
        "VALUES (new.message_id, new.document); END",
        "CREATE TRIGGER message_documents_removed AFTER DELETE ON message_documents BEGIN "
        "INSERT INTO message_documents_index (message_documents_index, rowid, document) "
        "VALUES ('delete', old.message_id, old.document); END",
    ),
    "postgresql": (
        "CREATE EXTENSION IF NOT EXISTS pg_trgm",
        "CREATE INDEX message_documents_index ON message_documents "
        "USING gin (document gin_trgm_ops)",
    ),
}


def upgrade() -> None:
    op.create_table(
        "message_documents",
        sa.Column("message_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["messages.id"],
            name=op.f("fk_message_documents_message_id_messages"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message_documents")),
    )
    _index_documents()
    _add_resends()


def _index_documents() -> None:
    """Without trigrams messages are searched as before, one after the other."""
    connection = op.get_bind()
    try:
        with connection.begin_nested():
            for statement in INDEX_STATEMENTS[connection.dialect.name]:
                connection.exec_driver_sql(statement)
    except sa.exc.DBAPIError as error:
        reason = str(error.orig).strip()
        structlog.get_logger("senderkit").warning("search_without_index", reason=reason)


def _add_resends() -> None:
    op.create_table(
        "resends",
        sa.Column("message_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("of_message_id", NUMBER, nullable=False),
        sa.Column("batch", sa.String(length=64), nullable=False),
        sa.Column("member_id", NUMBER, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["members.id"],
            name=op.f("fk_resends_member_id_members"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["messages.id"],
            name=op.f("fk_resends_message_id_messages"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["of_message_id"],
            ["messages.id"],
            name=op.f("fk_resends_of_message_id_messages"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_resends")),
    )
    op.create_index(op.f("ix_resends_of_message_id"), "resends", ["of_message_id"])
    op.create_index(op.f("ix_resends_batch"), "resends", ["batch"])


def downgrade() -> None:
    """The extension stays: others may use it by now."""
    op.drop_table("resends")
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE IF EXISTS message_documents_index")
    op.drop_table("message_documents")
    op.execute("DELETE FROM change_followers WHERE name = 'search'")
