"""Count what became of messages by hour and by day, and failures by their reason."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# What senderkit.models.UtcDateTime stores: microseconds since 1970 on SQLite.
MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
# SQLite numbers rows by itself only for a column of the very type INTEGER.
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STATUSES = (
    *("scheduled", "queued", "rendered", "sent", "delivered"),
    *("failed", "canceled", "opted_out", "suppressed", "blocked"),
)
GRAINS = "grain IN ('hour', 'day')"
FACETS = "facet IN ('all', 'channel', 'template', 'provider', 'key', 'full')"


def upgrade() -> None:
    op.create_table(
        "rollup_cells",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("workspace_id", NUMBER, nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("facet", sa.String(length=8), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=True),
        sa.Column("template_slug", sa.String(length=100), nullable=True),
        sa.Column("provider", sa.String(length=40), nullable=True),
        sa.Column("api_key_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(FACETS, name=op.f("ck_rollup_cells_facet")),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_rollup_cells_workspace_id_workspaces"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollup_cells")),
        sa.UniqueConstraint("name", name=op.f("uq_rollup_cells_name")),
    )
    op.create_index("ix_rollup_cells_facet", "rollup_cells", ["workspace_id", "livemode", "facet"])
    op.create_table(
        "rollups",
        sa.Column("cell_id", NUMBER, nullable=False),
        sa.Column("grain", sa.String(length=4), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        *(sa.Column(status, sa.Integer(), nullable=False) for status in STATUSES),
        sa.Column("handed_over", sa.JSON(), nullable=False),
        sa.Column("arrived", sa.JSON(), nullable=False),
        sa.CheckConstraint(GRAINS, name=op.f("ck_rollups_grain")),
        sa.ForeignKeyConstraint(
            ["cell_id"],
            ["rollup_cells.id"],
            name=op.f("fk_rollups_cell_id_rollup_cells"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("cell_id", "grain", "starts_at", name=op.f("pk_rollups")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "failure_reasons",
        sa.Column("key", sa.String(length=16), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_failure_reasons")),
    )
    op.create_table(
        "failure_rollups",
        sa.Column("cell_id", NUMBER, nullable=False),
        sa.Column("grain", sa.String(length=4), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("reason_key", sa.String(length=16), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("newest_at", MOMENT, nullable=False),
        sa.CheckConstraint(GRAINS, name=op.f("ck_failure_rollups_grain")),
        sa.ForeignKeyConstraint(
            ["cell_id"],
            ["rollup_cells.id"],
            name=op.f("fk_failure_rollups_cell_id_rollup_cells"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "cell_id", "grain", "starts_at", "reason_key", name=op.f("pk_failure_rollups")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "message_failures",
        sa.Column("message_id", NUMBER, nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("reason_key", sa.String(length=16), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["messages.id"],
            name=op.f("fk_message_failures_message_id_messages"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message_failures")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_message_failures_page",
        "message_failures",
        ["workspace_id", "livemode", "reason_key", "created_at", "message_id"],
    )


def downgrade() -> None:
    for table in (
        *("message_failures", "failure_rollups", "failure_reasons", "rollups", "rollup_cells"),
    ):
        op.drop_table(table)
    op.execute("DELETE FROM change_followers WHERE name = 'rollups'")
