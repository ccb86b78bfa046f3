"""What templates are made with: themes, synced blocks and their versions, earlier slugs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from senderkit.models.base import Base, BigId
from senderkit.models.core import Member


class Theme(Base):
    """How emails look. `values` are those of `senderkit.themes.Theme`, by name.

    The default one is chosen for a new template; a template without a theme has none.
    """

    __tablename__ = "themes"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    name: Mapped[str] = mapped_column(String(100))
    values: Mapped[dict[str, Any]]
    is_default: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Block(Base):
    """A fragment that templates name as `{{> name}}`; `current_version_id` is what they get."""

    __tablename__ = "blocks"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str | None] = mapped_column(Text)
    current_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("block_versions.id", use_alter=True)
    )
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    current_version: Mapped[BlockVersion | None] = relationship(
        foreign_keys=[current_version_id], post_update=True
    )


class BlockVersion(Base):
    """One immutable state of a block."""

    __tablename__ = "block_versions"
    __table_args__ = (UniqueConstraint("block_id", "number"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    block_id: Mapped[int] = mapped_column(ForeignKey("blocks.id", ondelete="CASCADE"))
    number: Mapped[int]
    content: Mapped[str] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id", ondelete="SET NULL"))

    created_by: Mapped[Member | None] = relationship(foreign_keys=[created_by_id])


class TemplateAlias(Base):
    """A slug that a template had before: sends by it go on working until somebody removes it."""

    __tablename__ = "template_aliases"

    workspace_id: Mapped[int] = mapped_column(
        ForeignKey("workspaces.id"), primary_key=True, autoincrement=False
    )
    slug: Mapped[str] = mapped_column(String(100), primary_key=True)
    template_id: Mapped[int] = mapped_column(
        ForeignKey("templates.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime]
