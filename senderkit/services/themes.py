"""Themes of a workspace: one of them is the default, which new templates begin with."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from senderkit.commands import SaveTheme
from senderkit.domain import new_public_id
from senderkit.errors import InvalidRequest, Issue, NotFound
from senderkit.models import Template
from senderkit.models import Theme as ThemeRow
from senderkit.themes import Theme

FIRST_NAME = "Plain"


def list_themes(session: Session, workspace_id: int) -> list[ThemeRow]:
    """By name."""
    statement = select(ThemeRow).where(ThemeRow.workspace_id == workspace_id)
    return list(session.scalars(statement.order_by(ThemeRow.name)))


def get_theme(session: Session, workspace_id: int, public_id: str) -> ThemeRow:
    """Raises `NotFound`."""
    statement = select(ThemeRow).where(
        ThemeRow.workspace_id == workspace_id, ThemeRow.public_id == public_id
    )
    theme = session.scalars(statement).one_or_none()
    if theme is None:
        raise NotFound("There is no such theme.")
    return theme


def find_default(session: Session, workspace_id: int) -> ThemeRow | None:
    """What a new template begins with."""
    statement = select(ThemeRow).where(
        ThemeRow.workspace_id == workspace_id, ThemeRow.is_default.is_(True)
    )
    return session.scalars(statement.limit(1)).one_or_none()


def ensure_default(session: Session, workspace_id: int, *, now: datetime) -> ThemeRow:
    """The default theme; a workspace without any gets a plain one. Commits nothing."""
    found = find_default(session, workspace_id)
    if found is not None:
        return found
    for theme in list_themes(session, workspace_id)[:1]:
        return theme
    theme = _row(workspace_id, SaveTheme(name=FIRST_NAME, theme=Theme(), is_default=True), now)
    session.add(theme)
    session.flush()
    return theme


def _row(workspace_id: int, command: SaveTheme, now: datetime) -> ThemeRow:
    return ThemeRow(
        public_id=new_public_id("thm", now),
        workspace_id=workspace_id,
        name=command.name,
        values=command.theme.stored(),
        is_default=command.is_default,
        created_at=now,
        updated_at=now,
    )


def create_theme(
    session: Session, workspace_id: int, command: SaveTheme, *, now: datetime
) -> ThemeRow:
    """The first one is the default. Raises `InvalidRequest` for a name that is taken."""
    if not list_themes(session, workspace_id):
        command = command.model_copy(update={"is_default": True})
    if command.is_default:
        _clear_default(session, workspace_id)
    theme = _row(workspace_id, command, now)
    session.add(theme)
    _commit(session, command.name)
    return theme


def change_theme(
    session: Session, workspace_id: int, public_id: str, command: SaveTheme, *, now: datetime
) -> ThemeRow:
    """Emails get it at their next render; MJML at its next saved version.

    Raises `NotFound`, `InvalidRequest`.
    """
    theme = get_theme(session, workspace_id, public_id)
    if command.is_default and not theme.is_default:
        _clear_default(session, workspace_id)
    theme.name = command.name
    theme.values = command.theme.stored()
    theme.is_default = command.is_default or theme.is_default
    theme.updated_at = now
    _commit(session, command.name)
    return theme


def _clear_default(session: Session, workspace_id: int) -> None:
    session.execute(
        update(ThemeRow).where(ThemeRow.workspace_id == workspace_id).values(is_default=False)
    )


def _commit(session: Session, name: str) -> None:
    try:
        session.commit()
    except IntegrityError as error:
        session.rollback()
        message = f"There is a theme '{name}' already."
        raise InvalidRequest(message, [Issue("slug_taken", ("name",), message)]) from error


def remove_theme(session: Session, workspace_id: int, public_id: str) -> ThemeRow | None:
    """Templates that had it go out without one. Raises `NotFound`.

    Of the themes that are left, if any, one is the default: it is returned if it was not before.
    """
    theme = get_theme(session, workspace_id, public_id)
    session.execute(update(Template).where(Template.theme_id == theme.id).values(theme_id=None))
    session.delete(theme)
    session.flush()
    heir = next(iter(list_themes(session, workspace_id)), None) if theme.is_default else None
    if heir is not None:
        heir.is_default = True
    session.commit()
    return heir


def uses_by_theme(session: Session, workspace_id: int) -> dict[int, tuple[str, ...]]:
    """The slugs of the templates that have each theme, by its id; archived ones too, since they
    may come back."""
    statement = (
        select(Template.theme_id, Template.slug)
        .where(Template.workspace_id == workspace_id, Template.theme_id.is_not(None))
        .order_by(Template.slug)
    )
    found: dict[int, tuple[str, ...]] = {}
    for theme_id, slug in session.execute(statement):
        if theme_id is not None:
            found[theme_id] = (*found.get(theme_id, ()), slug)
    return found
