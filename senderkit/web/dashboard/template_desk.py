"""The editor's desk: one version of a template, in one language, and its form as it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from senderkit.commands.fields import is_locale
from senderkit.domain import Channel
from senderkit.errors import NotFound
from senderkit.models import Template, TemplateVersion
from senderkit.services import templates
from senderkit.web.dashboard.frame import viewer
from senderkit.web.dashboard.template_form import Base, shown_values
from senderkit.web.dashboard.template_frame import read_version
from senderkit.web.dashboard.template_samples import SAMPLE, shown_sample
from senderkit.web.dashboard.variable_rows import row_fields, shown_rows
from senderkit.web.extensions import session

_LONGEST_TAG: Final = 35


@dataclass(frozen=True, slots=True)
class Desk:
    """A version of a template in the editor, in one language (empty for the default)."""

    template: Template
    version: TemplateVersion
    language: str

    @property
    def channel(self) -> Channel:
        return Channel(self.template.channel)

    @property
    def base(self) -> Base:
        version = self.version
        translations = version.translations or {}
        return Base(version.content, tuple(version.variables), translations, self.language)

    @property
    def markup(self) -> str:
        """What the words are written in, where they are an email's."""
        return "mjml" if self.base.whole.get("mjml") is not None else "html"

    @property
    def shown(self) -> dict[str, str]:
        """The form as it is before anybody types."""
        values = shown_values(self.channel, self.base)
        values.pop("variables")
        rows = row_fields(shown_rows(self.version.variables))
        return values | rows | {SAMPLE: shown_sample(self.template, self.base.variables)}


def open_desk(slug: str, version: str, language: str) -> Desk:
    """Raises `TemplateNotFound`, `VersionNotFound`, and `NotFound` for what is no language."""
    template = templates.get_template(session(), viewer().workspace_id, slug)
    if language and (len(language) > _LONGEST_TAG or not is_locale(language)):
        raise NotFound("A language is named by a tag such as de or pt-BR.")
    return Desk(template, read_version(template, version), language.lower())
