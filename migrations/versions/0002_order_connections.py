"""Give each channel a list of connections, and count the rounds of retries.

The default becomes the first of its channel's list; any other connection stays out of the list, as
it was used by the templates that name it and by nothing else. No table is rebuilt.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("connections", sa.Column("position", sa.Integer(), nullable=True))
    op.execute("UPDATE connections SET position = 1 WHERE is_default")
    op.drop_index("uq_connections_default", table_name="connections")
    op.drop_column("connections", "is_default")
    op.create_index(
        "uq_connections_position",
        "connections",
        ["workspace_id", "channel", "position"],
        unique=True,
    )
    for table in ("messages", "attempts"):
        round_ = sa.Column("round", sa.Integer(), server_default=sa.text("0"), nullable=False)
        op.add_column(table, round_)
    # Until now every attempt was a round of its own.
    op.execute("UPDATE attempts SET round = number - 1")
    op.execute("UPDATE messages SET round = attempts WHERE livemode AND status = 'rendered'")


def downgrade() -> None:
    op.drop_column("attempts", "round")
    op.drop_column("messages", "round")
    op.drop_index("uq_connections_position", table_name="connections")
    is_default = sa.Column("is_default", sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column("connections", is_default)
    op.execute("UPDATE connections SET is_default = (position IS NOT NULL AND position = 1)")
    op.drop_column("connections", "position")
    op.create_index(
        "uq_connections_default",
        "connections",
        ["workspace_id", "channel"],
        unique=True,
        sqlite_where=sa.text("is_default"),
        postgresql_where=sa.text("is_default"),
    )
