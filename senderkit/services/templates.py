"""Templates and their versions: draft, describe, publish, archive, render.

A version never changes once stored. Publishing and rolling back point the template at one; the next
send in every process uses it, since the pointer is read on each send.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, defer, joinedload

from senderkit.commands import (
    MAX_DATABASE_INTEGER,
    AddVersion,
    ChangeTemplate,
    CreateTemplate,
    DescribeTemplate,
    RenderTemplate,
    check_template_content,
    check_translations,
)
from senderkit.domain import Channel, JsonObject, Mode, TemplateStatus, new_public_id
from senderkit.errors import (
    InvalidRequest,
    Issue,
    NotFound,
    SlugTaken,
    TemplateArchived,
    TemplateError,
    TemplateNotFound,
    TemplateNotPublished,
    VersionNotFound,
)
from senderkit.mjml import compile_mjml
from senderkit.models import Connection as ProviderConnection
from senderkit.models import Template, TemplateAlias, TemplateVersion
from senderkit.rendering import Rendered, compile_content
from senderkit.services.compiled import compile_version, compiled_markup, wanted_language
from senderkit.services.surroundings import find_surroundings, find_theme

NOTHING: Final[Mapping[str, JsonObject]] = {}


def status_of(template: Template) -> TemplateStatus:
    """Active once published, archived when put away, else a draft."""
    if template.archived_at is not None:
        return TemplateStatus.ARCHIVED
    if template.published_version_id is not None:
        return TemplateStatus.ACTIVE
    return TemplateStatus.DRAFT


@dataclass(frozen=True, slots=True)
class ResolvedVersion:
    """The version that a send is pinned to when it is accepted."""

    slug: str
    channel: Channel
    version_id: int
    number: int
    is_essential: bool


def resolve(
    connection: Connection, workspace_id: int, slug: str, number: int | None, mode: Mode
) -> ResolvedVersion:
    """The pinned version, else the published one in live mode and the newest in test mode.

    Raises `TemplateNotFound`, `TemplateArchived`, `TemplateNotPublished` or `VersionNotFound`.
    """
    row = _find_row(connection, workspace_id, slug)
    if row is None:
        raise TemplateNotFound(f"There is no template '{slug}'.")
    if row.archived_at is not None:
        raise TemplateArchived(f"The template '{slug}' is archived: restore it to send it again.")
    version = _find_version(connection, row.id, number, row.published_version_id, mode)
    if version is None and number is not None:
        raise VersionNotFound(f"The template '{slug}' has no version {number}.")
    if version is None:
        raise TemplateNotPublished(f"The template '{slug}' has no published version.")
    return ResolvedVersion(row.slug, Channel(row.channel), version[0], version[1], row.is_essential)


_RESOLVED: Final = (
    Template.id,
    Template.slug,
    Template.channel,
    Template.archived_at,
    Template.published_version_id,
    Template.is_essential,
)


def _find_row(connection: Connection, workspace_id: int, slug: str) -> Row[*tuple[Any, ...]] | None:
    """By its slug, else by one that it had before."""
    own = select(*_RESOLVED).where(Template.workspace_id == workspace_id, Template.slug == slug)
    row = connection.execute(own).one_or_none()
    if row is not None:
        return row
    earlier = (
        select(*_RESOLVED)
        .join(TemplateAlias, TemplateAlias.template_id == Template.id)
        .where(TemplateAlias.workspace_id == workspace_id, TemplateAlias.slug == slug)
    )
    return connection.execute(earlier).one_or_none()


def _find_version(
    connection: Connection,
    template_id: int,
    number: int | None,
    published_id: int | None,
    mode: Mode,
) -> tuple[int, int] | None:
    statement = select(TemplateVersion.id, TemplateVersion.number)
    if number is not None:
        statement = statement.where(
            TemplateVersion.template_id == template_id, TemplateVersion.number == number
        )
    elif mode is Mode.LIVE:
        statement = statement.where(TemplateVersion.id == published_id)
    else:
        statement = (
            statement.where(TemplateVersion.template_id == template_id)
            .order_by(TemplateVersion.number.desc())
            .limit(1)
        )
    row = connection.execute(statement).one_or_none()
    return None if row is None else (row[0], row[1])


# -- reading ----------------------------------------------------------------------------------


def list_templates(session: Session, workspace_id: int) -> list[Template]:
    """All of a workspace, archived ones too, by slug."""
    statement = select(Template).where(Template.workspace_id == workspace_id)
    return list(session.scalars(statement.order_by(Template.slug)))


def newest_numbers(session: Session, workspace_id: int) -> dict[int, int]:
    """The newest version's number by template id."""
    statement = (
        select(TemplateVersion.template_id, func.max(TemplateVersion.number))
        .join(Template, Template.id == TemplateVersion.template_id)
        .where(Template.workspace_id == workspace_id)
        .group_by(TemplateVersion.template_id)
    )
    return {row[0]: row[1] for row in session.execute(statement)}


def published_numbers(session: Session, workspace_id: int) -> dict[int, int]:
    """The published version's number by template id, of those that have one."""
    statement = (
        select(Template.id, TemplateVersion.number)
        .join(TemplateVersion, TemplateVersion.id == Template.published_version_id)
        .where(Template.workspace_id == workspace_id)
    )
    return {row[0]: row[1] for row in session.execute(statement)}


def get_template(session: Session, workspace_id: int, slug: str) -> Template:
    """By slug, in any case, or by one that it had before. Raises `TemplateNotFound`."""
    statement = (
        select(Template)
        .where(Template.workspace_id == workspace_id, Template.slug == slug.lower())
        .options(joinedload(Template.published_version))
    )
    template = session.scalars(statement).one_or_none() or _find_by_alias(
        session, workspace_id, slug.lower()
    )
    if template is None:
        raise TemplateNotFound(f"There is no template '{slug}'.")
    return template


def _find_by_alias(session: Session, workspace_id: int, slug: str) -> Template | None:
    statement = (
        select(Template)
        .join(TemplateAlias, TemplateAlias.template_id == Template.id)
        .where(TemplateAlias.workspace_id == workspace_id, TemplateAlias.slug == slug)
        .options(joinedload(Template.published_version))
    )
    return session.scalars(statement).one_or_none()


def list_versions(session: Session, template: Template) -> list[TemplateVersion]:
    """Newest first. Their content, which may be long, is read when it is asked for."""
    statement = (
        select(TemplateVersion)
        .where(TemplateVersion.template_id == template.id)
        .options(joinedload(TemplateVersion.created_by), defer(TemplateVersion.content))
        .order_by(TemplateVersion.number.desc())
    )
    return list(session.scalars(statement))


def get_newest_version(session: Session, template: Template) -> TemplateVersion:
    """The version with the highest number, published or not."""
    statement = (
        select(TemplateVersion)
        .where(TemplateVersion.template_id == template.id)
        .options(joinedload(TemplateVersion.created_by))
        .order_by(TemplateVersion.number.desc())
        .limit(1)
    )
    return session.scalars(statement).one()


def get_version(session: Session, template: Template, number: int) -> TemplateVersion:
    """Raises `VersionNotFound`."""
    statement = select(TemplateVersion).where(
        TemplateVersion.template_id == template.id, TemplateVersion.number == number
    )
    # A larger number is none that a column can be compared with.
    is_possible = number <= MAX_DATABASE_INTEGER
    version = session.scalars(statement).one_or_none() if is_possible else None
    if version is None:
        raise VersionNotFound(f"The template '{template.slug}' has no version {number}.")
    return version


def render(
    session: Session, workspace_id: int, slug: str, command: RenderTemplate
) -> tuple[Channel, Rendered]:
    """Render the asked version, or the published one, without sending.

    Raises `TemplateNotFound`, `TemplateNotPublished`, `VersionNotFound`, or `InvalidRequest` when
    the result goes past a limit.
    """
    template = get_template(session, workspace_id, slug)
    version = template.published_version
    if command.version is not None:
        version = get_version(session, template, command.version)
    if version is None:
        raise TemplateNotPublished(f"The template '{template.slug}' has no published version.")
    channel = Channel(template.channel)
    surroundings = find_surroundings(session.connection(), [version.id])[version.id]
    try:
        compiled = compile_version(channel, version.content, version.translations, version.compiled)
        content = compiled.in_language(wanted_language(None, command.vars))
        return channel, content.render(command.vars, surroundings)
    except TemplateError as error:
        raise InvalidRequest(f"The template cannot be rendered: {error}") from error


# -- writing ----------------------------------------------------------------------------------


def check_syntax(
    channel: Channel, content: JsonObject, translations: Mapping[str, JsonObject] = NOTHING
) -> None:
    """Raises `InvalidRequest` naming every field that cannot be compiled, with line and column."""
    places: list[tuple[tuple[str, ...], JsonObject]] = [(("content",), content)]
    places += [(("translations", tag), fields) for tag, fields in translations.items()]
    found = (
        _find_flaw(channel, (*place, field), value)
        for place, fields in places
        for field, value in fields.items()
    )
    issues = [issue for issue in found if issue is not None]
    if issues:
        raise InvalidRequest("The content is not a valid template.", issues)


def _find_flaw(channel: Channel, place: tuple[str, ...], value: Any) -> Issue | None:
    """MJML is looked at as a template first, for the place of what is wrong, then compiled."""
    field = place[-1]
    try:
        compile_content(channel, {"html" if field == "mjml" else field: value})
        if field == "mjml":
            compile_mjml(value)
    except TemplateError as error:
        message = str(error).replace("'html'", "'mjml'") if field == "mjml" else str(error)
        return Issue("template_syntax", place, message)
    return None


def create_template(
    session: Session,
    workspace_id: int,
    command: CreateTemplate,
    *,
    created_by_id: int | None,
    now: datetime,
) -> Template:
    """A new template with its first, unpublished version. Raises `SlugTaken`, `InvalidRequest`."""
    check_syntax(command.channel, command.content, command.translations)
    if _find_by_alias(session, workspace_id, command.slug) is not None:
        raise SlugTaken(f"'{command.slug}' is an earlier slug of another template.")
    template = Template(
        public_id=new_public_id("tpl", now),
        workspace_id=workspace_id,
        slug=command.slug,
        channel=command.channel.value,
        description=command.description,
        is_essential=command.is_essential,
        created_at=now,
        updated_at=now,
    )
    session.add(template)
    try:
        session.flush()
    except IntegrityError as error:
        session.rollback()
        raise SlugTaken(f"There is a template '{command.slug}' already.") from error
    session.add(_version(session, template, 1, command, created_by_id, now))
    session.commit()
    return template


def _version(
    session: Session,
    template: Template,
    number: int,
    command: CreateTemplate | AddVersion,
    created_by_id: int | None,
    now: datetime,
) -> TemplateVersion:
    """`command` with its content and translations checked. MJML is compiled here, once."""
    variables: list[Any] = [dict(variable) for variable in command.variables]
    theme = find_theme(session.connection(), template.theme_id)
    return TemplateVersion(
        template_id=template.id,
        number=number,
        content=dict(command.content),
        translations=dict(command.translations) or None,
        compiled=compiled_markup(command.content, command.translations, theme),
        variables=variables,
        note=command.note,
        created_at=now,
        created_by_id=created_by_id,
    )


def add_version(
    session: Session,
    workspace_id: int,
    slug: str,
    command: AddVersion,
    *,
    created_by_id: int | None,
    now: datetime,
) -> TemplateVersion:
    """A new draft version; what is published stays published. Raises `InvalidRequest`."""
    template = get_template(session, workspace_id, slug)
    channel = Channel(template.channel)
    checked = command.model_copy(
        update={
            "content": check_template_content(channel, command.content),
            "translations": check_translations(channel, command.translations),
        }
    )
    check_syntax(channel, checked.content, checked.translations)
    # Locking the template's row gives two authors at once two numbers.
    session.execute(select(Template.id).where(Template.id == template.id).with_for_update())
    newest = select(func.max(TemplateVersion.number)).where(
        TemplateVersion.template_id == template.id
    )
    number = (session.scalars(newest).one() or 0) + 1
    version = _version(session, template, number, checked, created_by_id, now)
    session.add(version)
    template.updated_at = now
    session.commit()
    return version


def describe_template(
    session: Session, workspace_id: int, slug: str, command: DescribeTemplate, *, now: datetime
) -> Template:
    template = get_template(session, workspace_id, slug)
    template.description = command.description
    template.updated_at = now
    session.commit()
    return template


def change_template(
    session: Session, workspace_id: int, slug: str, command: ChangeTemplate, *, now: datetime
) -> Template:
    """Sends accepted from now on are essential or not; those accepted before stay as they were.

    Raises `InvalidRequest` for a connection that is not of the template's channel.
    """
    template = get_template(session, workspace_id, slug)
    template.connection_id = _find_connection(session, template, command.connection_id)
    template.description = command.description
    template.is_essential = command.is_essential
    template.updated_at = now
    session.commit()
    return template


def _find_connection(session: Session, template: Template, connection_id: str | None) -> int | None:
    if connection_id is None:
        return None
    statement = select(ProviderConnection.id).where(
        ProviderConnection.workspace_id == template.workspace_id,
        ProviderConnection.channel == template.channel,
        ProviderConnection.uuid == connection_id,
    )
    found = session.scalars(statement).one_or_none()
    if found is None:
        message = f"There is no such connection for {template.channel}: choose one of the list."
        raise InvalidRequest(message, [Issue("invalid_value", ("connection_id",), message)])
    return found


def publish(
    session: Session, workspace_id: int, slug: str, number: int | None, *, now: datetime
) -> TemplateVersion:
    """Publish one version, the newest by default; publishing an older one is the roll-back.

    Raises `TemplateNotFound`, `VersionNotFound` or `TemplateArchived`.
    """
    template = get_template(session, workspace_id, slug)
    if template.archived_at is not None:
        raise TemplateArchived(f"The template '{template.slug}' is archived: restore it first.")
    if number is None:
        version = list_versions(session, template)[0]
    else:
        version = get_version(session, template, number)
    version.published_at = now
    template.published_version_id = version.id
    template.updated_at = now
    session.commit()
    return version


def archive(session: Session, workspace_id: int, slug: str, *, now: datetime) -> Template:
    """Stop new sends; what is scheduled already still goes out."""
    template = get_template(session, workspace_id, slug)
    if template.archived_at is None:
        template.archived_at = now
        template.updated_at = now
    session.commit()
    return template


def restore(session: Session, workspace_id: int, slug: str, *, now: datetime) -> Template:
    """Take a template back as a draft: it is live again once a version is published."""
    template = get_template(session, workspace_id, slug)
    if template.archived_at is None:
        raise NotFound(f"The template '{template.slug}' is not archived.")
    template.archived_at = None
    template.published_version_id = None
    template.updated_at = now
    session.commit()
    return template
