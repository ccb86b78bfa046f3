"""Find the push messages whose provider must be asked what became of them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

AWAITING = sa.text("status = 'sent' AND channel = 'push'")


def upgrade() -> None:
    op.create_index(
        "ix_messages_awaiting",
        "messages",
        ["connection_id", "id"],
        unique=False,
        sqlite_where=AWAITING,
        postgresql_where=AWAITING,
    )


def downgrade() -> None:
    op.drop_index("ix_messages_awaiting", table_name="messages")
