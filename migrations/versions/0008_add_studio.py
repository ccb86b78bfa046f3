"""Add what templates are made with: themes, synced blocks, translations, earlier slugs."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# As in 0001: what both databases store for a moment, and for a row's own number.
MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CURRENT = "fk_blocks_current_version_id_block_versions"
THEME = "fk_templates_theme_id_themes"


def upgrade() -> None:
    _create_themes()
    _create_blocks()
    op.create_table(
        "template_aliases",
        sa.Column("workspace_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("template_id", NUMBER, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_template_aliases_workspace_id_workspaces"),
        ),
        sa.ForeignKeyConstraint(
            ["template_id"],
            ["templates.id"],
            name=op.f("fk_template_aliases_template_id_templates"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "slug", name=op.f("pk_template_aliases")),
    )
    op.create_index(op.f("ix_template_aliases_template_id"), "template_aliases", ["template_id"])
    with op.batch_alter_table("templates") as templates:
        templates.add_column(sa.Column("theme_id", NUMBER, nullable=True))
        templates.add_column(sa.Column("sample_vars", sa.JSON(), nullable=True))
        templates.create_foreign_key(THEME, "themes", ["theme_id"], ["id"], ondelete="SET NULL")
    op.add_column("template_versions", sa.Column("translations", sa.JSON(), nullable=True))
    op.add_column("template_versions", sa.Column("compiled", sa.JSON(), nullable=True))


def _create_themes() -> None:
    op.create_table(
        "themes",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("workspace_id", NUMBER, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_themes_workspace_id_workspaces")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_themes")),
        sa.UniqueConstraint("public_id", name=op.f("uq_themes_public_id")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_themes_workspace_id_name")),
    )


def _create_blocks() -> None:
    op.create_table(
        "blocks",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("workspace_id", NUMBER, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("current_version_id", NUMBER, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_blocks_workspace_id_workspaces")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocks")),
        sa.UniqueConstraint("public_id", name=op.f("uq_blocks_public_id")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_blocks_workspace_id_name")),
    )
    op.create_table(
        "block_versions",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("block_id", NUMBER, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by_id", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(
            ["block_id"],
            ["blocks.id"],
            name=op.f("fk_block_versions_block_id_blocks"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"],
            ["members.id"],
            name=op.f("fk_block_versions_created_by_id_members"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_block_versions")),
        sa.UniqueConstraint("block_id", "number", name=op.f("uq_block_versions_block_id_number")),
    )
    # The two tables point at each other, so this key comes when both exist.
    with op.batch_alter_table("blocks") as blocks:
        blocks.create_foreign_key(CURRENT, "block_versions", ["current_version_id"], ["id"])


def downgrade() -> None:
    op.drop_column("template_versions", "compiled")
    op.drop_column("template_versions", "translations")
    with op.batch_alter_table("templates") as templates:
        templates.drop_constraint(THEME, type_="foreignkey")
        templates.drop_column("sample_vars")
        templates.drop_column("theme_id")
    op.drop_index(op.f("ix_template_aliases_template_id"), table_name="template_aliases")
    op.drop_table("template_aliases")
    with op.batch_alter_table("blocks") as blocks:
        blocks.drop_constraint(CURRENT, type_="foreignkey")
    op.drop_table("block_versions")
    op.drop_table("blocks")
    op.drop_table("themes")
