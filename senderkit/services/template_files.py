"""Templates as files, out and in: what a folder would change here, and doing it.

The files say what `senderkit templates pull` writes: words, translations, declared variables and
description. Theme, connection and slug history are this server's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from senderkit.commands import (
    CreateTemplate,
    DescribeTemplate,
    parse_add_version,
    parse_create_template,
    parse_json_object,
)
from senderkit.commands.issues import dotted
from senderkit.domain import TemplateStatus
from senderkit.errors import InvalidRequest, SlugTaken
from senderkit.models import Template, TemplateAlias, TemplateVersion
from senderkit.services import templates
from senderkit.template_folders import TemplateFolder, from_files, to_files

NOTE = "Imported"


class Change(StrEnum):
    """What a folder would do here."""

    NEW = "new"
    NEW_VERSION = "new_version"
    DESCRIPTION = "description"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Planned:
    """One folder: `number` is the version that it makes or that says the same, `reason` why it is
    refused."""

    slug: str
    channel: str
    change: Change
    number: int = 1
    is_archived: bool = False
    reason: str = ""


def folder_of(template: Template, version: TemplateVersion) -> TemplateFolder:
    """The files' view of a template with the words of one version."""
    return TemplateFolder(
        slug=template.slug,
        channel=template.channel,
        content=version.content,
        description=template.description,
        variables=tuple(version.variables),
        translations=version.translations or {},
    )


def list_folders(
    session: Session, workspace_id: int, slugs: Sequence[str] = ()
) -> list[TemplateFolder]:
    """The newest words of the templates that are named, by default of all but archived ones.

    Raises `TemplateNotFound`.
    """
    if slugs:
        found = [templates.get_template(session, workspace_id, slug) for slug in slugs]
    else:
        every = templates.list_templates(session, workspace_id)
        found = [each for each in every if each.archived_at is None]
    return [folder_of(each, templates.get_newest_version(session, each)) for each in found]


# -- coming in --------------------------------------------------------------------------------


def plan(session: Session, workspace_id: int, folders: Iterable[TemplateFolder]) -> list[Planned]:
    """What each folder would change, without changing it."""
    return [_plan_one(session, workspace_id, folder) for folder in folders]


def _plan_one(session: Session, workspace_id: int, folder: TemplateFolder) -> Planned:
    template = _find_by_slug(session, workspace_id, folder.slug)
    try:
        _check_place(session, workspace_id, template, folder)
        read = _read(folder)
    except InvalidRequest as error:
        return Planned(folder.slug, folder.channel, Change.REFUSED, reason=_words(error))
    if template is None:
        return Planned(folder.slug, folder.channel, Change.NEW)
    newest = templates.get_newest_version(session, template)
    change = _change(folder_of(template, newest), read)
    return Planned(
        folder.slug,
        folder.channel,
        change,
        newest.number + (change is Change.NEW_VERSION),
        templates.status_of(template) is TemplateStatus.ARCHIVED,
    )


def _find_by_slug(session: Session, workspace_id: int, slug: str) -> Template | None:
    """By its own slug, and not by one that it had before."""
    statement = select(Template).where(Template.workspace_id == workspace_id, Template.slug == slug)
    return session.scalars(statement).one_or_none()


def _change(stored: TemplateFolder, folder: TemplateFolder) -> Change:
    one, other = _normal(stored), _normal(folder)
    if replace(one, description=None) != replace(other, description=None):
        return Change.NEW_VERSION
    return Change.UNCHANGED if one == other else Change.DESCRIPTION


def _normal(folder: TemplateFolder) -> TemplateFolder:
    """As it comes back from its files: two that say the same are equal then."""
    return from_files(folder.slug, to_files(folder))


def _check_place(
    session: Session, workspace_id: int, template: Template | None, folder: TemplateFolder
) -> None:
    """Raises `InvalidRequest` for a slug that is something else here."""
    if template is not None and template.channel != folder.channel:
        raise InvalidRequest(
            f"It is a template of {folder.channel}, and here of {template.channel}. A channel "
            "cannot be changed: give it another slug."
        )
    if template is None and session.get(TemplateAlias, (workspace_id, folder.slug)) is not None:
        raise InvalidRequest(
            "It is an earlier slug of another template: remove that in its settings first."
        )


def _read(folder: TemplateFolder) -> TemplateFolder:
    """The folder as it would be stored. Raises `InvalidRequest` for what cannot be."""
    command = parse_create_template(_strict(_body(folder)))
    templates.check_syntax(command.channel, command.content, command.translations)
    _refuse_unknown(folder, command)
    return replace(
        folder,
        content=command.content,
        variables=command.variables,
        translations=command.translations,
    )


def _refuse_unknown(folder: TemplateFolder, command: CreateTemplate) -> None:
    """The API passes over a field that it does not know; in a file it is mistyped."""
    none = dict[str, Any]()
    pairs = [(folder.content, command.content)]
    pairs += [
        (words, command.translations.get(tag, none)) for tag, words in folder.translations.items()
    ]
    for given, taken in pairs:
        for name, value in given.items():
            if value is not None and name not in taken:
                raise InvalidRequest(f"'{name[:100]}' is no field of {folder.channel}.")


def _strict(body: dict[str, Any]) -> dict[str, Any]:
    """As if it had come over the wire: no NaN, no NUL, not too deep. Raises `InvalidRequest`."""
    return parse_json_object(json.dumps(body).encode("utf-8"))


def _words(error: InvalidRequest) -> str:
    found = [f"{dotted(issue.path)}: {issue.message}" for issue in error.issues[:3]]
    return " ".join(found) or error.message


def _body(folder: TemplateFolder) -> dict[str, Any]:
    """As the API takes a new template."""
    return {
        "slug": folder.slug,
        "channel": folder.channel,
        "description": folder.description,
        "content": dict(folder.content),
        "variables": [dict(variable) for variable in folder.variables],
        "translations": {tag: dict(words) for tag, words in folder.translations.items()},
    }


def take_in(
    session: Session,
    workspace_id: int,
    folders: Iterable[TemplateFolder],
    *,
    created_by_id: int | None,
    now: datetime,
) -> list[Planned]:
    """Make drafts of the folders, one after the other; what was done for each.

    What is refused is told, and the others are taken. Nothing is published or removed.
    """
    done = []
    for folder in folders:
        planned = _plan_one(session, workspace_id, folder)
        try:
            _carry_out(session, workspace_id, planned, folder, created_by_id, now)
        except (InvalidRequest, SlugTaken) as error:
            session.rollback()
            planned = replace(planned, change=Change.REFUSED, reason=error.message)
        done.append(planned)
    return done


def _carry_out(
    session: Session,
    workspace_id: int,
    planned: Planned,
    folder: TemplateFolder,
    created_by_id: int | None,
    now: datetime,
) -> None:
    body = _body(folder)
    if planned.change is Change.NEW:
        command = parse_create_template(body, note=NOTE)
        templates.create_template(
            session, workspace_id, command, created_by_id=created_by_id, now=now
        )
    if planned.change is Change.NEW_VERSION:
        words = {name: body[name] for name in body if name in _OF_A_VERSION}
        addition = parse_add_version(words, note=NOTE)
        templates.add_version(
            session, workspace_id, folder.slug, addition, created_by_id=created_by_id, now=now
        )
    if planned.change in {Change.NEW_VERSION, Change.DESCRIPTION}:
        described = DescribeTemplate(description=folder.description)
        templates.describe_template(session, workspace_id, folder.slug, described, now=now)


_OF_A_VERSION = frozenset({"content", "variables", "translations"})
