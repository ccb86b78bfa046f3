"""Templates in folders and templates on a server: read, write, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from senderkit import template_folders
from senderkit.client import SenderKit, TemplateDetail, TemplateSummary
from senderkit.template_folders import TemplateFolder


def newest_of(sk: SenderKit, template: TemplateDetail | TemplateSummary) -> TemplateFolder:
    """A template of the server, with the content of its newest version."""
    number = sk.templates.versions(template.slug)[0].version_number
    newest = sk.templates.version(template.slug, number)
    return TemplateFolder(
        slug=template.slug,
        channel=template.channel,
        content=newest.content or {},
        description=template.description,
        variables=tuple(newest.raw.get("variables") or ()),
        translations=newest.raw.get("translations") or {},
    )


# -- on the disk ----------------------------------------------------------------------------------


def slugs_in(folder: Path) -> list[str]:
    """The templates below `folder`, by name. Raises `ClickException` when there is none."""
    found = sorted(main.parent.name for main in folder.glob(f"*/{template_folders.MAIN_FILE}"))
    if not found:
        raise click.ClickException(
            f"{folder} holds no template: 'senderkit templates pull' writes them, "
            "--dir says where they are."
        )
    return found


def read_folder(folder: Path, slug: str) -> TemplateFolder:
    """Raises `ClickException` naming the template for files that make up none."""
    try:
        template_folders.check_slug(slug)
        return template_folders.from_files(slug, _texts(folder / slug))
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{slug}: {error}.") from error


def write_folder(folder: Path, template: TemplateFolder) -> bool:
    """Whether anything had to change; files that are not ours are left alone.

    Raises `ClickException`.
    """
    try:
        files = template_folders.to_files(template)
        place = folder / template.slug
        if place.is_dir() and _texts(place) == files:
            return False
        _write(place, files)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{template.slug}: {error}.") from error
    return True


def _texts(place: Path) -> dict[str, str]:
    """Our files of one folder by name, line breaks as they are."""
    return {path.name: path.read_bytes().decode("utf-8") for path in _own_files(place)}


def _own_files(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    found = (path for path in place.iterdir() if template_folders.is_ours(path.name))
    return sorted(path for path in found if path.is_file())


def _write(place: Path, files: dict[str, str]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name).write_bytes(text.encode("utf-8"))
    for path in _own_files(place):
        if path.name not in files:
            path.unlink()


# -- what a push would change ---------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """One thing to do on the server, with the words for it."""

    words: str
    work: Callable[[], object]

    def carry_out(self) -> bool:
        self.work()
        return True


def changes_of(
    sk: SenderKit, template: TemplateFolder, known: TemplateSummary | None
) -> Iterator[Change]:
    """What makes the server's newest version say what the folder says; nothing when it does."""
    if known is None:
        yield _creation(sk, template)
        return
    if known.channel != template.channel:
        raise click.ClickException(
            f"{template.slug} is a template of {known.channel} on the server, and of "
            f"{template.channel} here. A channel cannot be changed: give it another slug."
        )
    newest = newest_of(sk, known)
    if _said_by(newest) != _said_by(template):
        yield _addition(sk, template)
    if newest.description != template.description:
        yield _description(sk, template)


def _said_by(template: TemplateFolder) -> Any:
    """Words and variables, in a form that two templates that say the same have in common."""
    plain = template_folders.without_nothing
    return (
        plain(template.content),
        {tag: plain(words) for tag, words in template.translations.items()},
        [plain(variable) for variable in template.variables],
    )


def _creation(sk: SenderKit, template: TemplateFolder) -> Change:
    def create() -> object:
        return sk.templates.create(
            template.slug,
            template.content,
            channel=template.channel,
            description=template.description,
            variables=template.variables,
            translations=template.translations,
        )

    return Change("created", create)


def _addition(sk: SenderKit, template: TemplateFolder) -> Change:
    def add() -> object:
        return sk.templates.add_version(
            template.slug,
            template.content,
            variables=template.variables,
            translations=template.translations,
        )

    return Change("new version", add)


def _description(sk: SenderKit, template: TemplateFolder) -> Change:
    return Change("description", lambda: sk.templates.describe(template.slug, template.description))
