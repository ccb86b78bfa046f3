"""`sk.templates`: list, get, render, and the draft operations. Publishing is a person's."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from senderkit.client import calls
from senderkit.client.answers import (
    RenderResult,
    TemplateDetail,
    TemplateSummary,
    TemplateVersion,
)
from senderkit.client.calls import Translations, Variables
from senderkit.client.sends import ChannelLike, Content
from senderkit.client.transport import AsyncTransport, Transport


class Templates:
    """The workspace's templates. A slug that is not there: `SenderKitApiError`, code
    `template_not_found`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> builtins.list[TemplateSummary]:
        """Every template, archived ones too; without content.

        >>> "welcome" in [template.slug for template in sk.templates.list()]
        True
        """
        return self._transport.run(calls.list_templates())

    def get(self, slug: str) -> TemplateDetail:
        """One template and its published version.

        >>> template = sk.templates.get("welcome")
        >>> template.channel, template.current_version.version_number
        ('email', 1)
        """
        return self._transport.run(calls.get_template(slug))

    def render(
        self,
        slug: str,
        vars: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
    ) -> RenderResult:
        """What the published version (or `version`) becomes with `vars`; nothing is sent.

        Raises `SenderKitApiError` with the code `template_not_published` for a template that has
        no published version, `version_not_found` for a version that is not there.

        >>> rendered = sk.templates.render("welcome", {"name": "Ada"})
        >>> rendered.output["subject"]
        'Hello Ada'
        >>> sk.templates.render("welcome").missing
        ['name']
        """
        return self._transport.run(calls.render_template(slug, vars, version))

    def create(
        self,
        slug: str,
        content: Content | Mapping[str, Any],
        *,
        channel: ChannelLike | None = None,
        description: str | None = None,
        variables: Variables | None = None,
        translations: Translations | None = None,
    ) -> TemplateDetail:
        """A new template with its first version, a draft: live sends need it published first.

        `channel` follows from the class of `content` and is needed only for a mapping.
        `translations` has, by language tag, the fields of `content` that differ in that language.

        Raises `SenderKitConflictError` with the code `slug_taken`, `SenderKitValidationError` for
        content that does not fit the channel or does not parse.

        >>> content = SmsContent("Your code is {{code}}.")
        >>> template = sk.templates.create("verify-phone", content, description="Checks a number")
        >>> template.status, template.current_version
        ('draft', None)
        """
        call = calls.create_template(slug, channel, content, description, variables, translations)
        return self._transport.run(call)

    def add_version(
        self,
        slug: str,
        content: Content | Mapping[str, Any],
        *,
        variables: Variables | None = None,
        translations: Translations | None = None,
    ) -> int:
        """Add a draft version and return its number; what is published stays as it is.

        Raises `SenderKitValidationError` as `create` does.

        >>> sk.templates.add_version("login-code", SmsContent("{{code}} is your code."))
        2
        """
        return self._transport.run(calls.add_version(slug, content, variables, translations))

    def versions(self, slug: str) -> builtins.list[TemplateVersion]:
        """All versions, newest first, without content.

        >>> [version.version_number for version in sk.templates.versions("welcome")]
        [1]
        """
        return self._transport.run(calls.list_versions(slug))

    def version(self, slug: str, number: int) -> TemplateVersion:
        """One version with its content, by the wire's names.

        Raises `SenderKitApiError` with the code `version_not_found`.

        >>> sk.templates.version("login-code", 1).content
        {'body': 'Your code is {{code}}.'}
        """
        return self._transport.run(calls.get_version(slug, number))

    def describe(self, slug: str, description: str | None) -> TemplateDetail:
        """Change the description; None takes it away.

        >>> sk.templates.describe("login-code", "Codes for signing in").description
        'Codes for signing in'
        """
        return self._transport.run(calls.describe_template(slug, description))


class AsyncTemplates:
    """`Templates` for asyncio: the same methods, arguments and errors."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self) -> builtins.list[TemplateSummary]:
        """As `Templates.list`."""
        return await self._transport.run(calls.list_templates())

    async def get(self, slug: str) -> TemplateDetail:
        """As `Templates.get`."""
        return await self._transport.run(calls.get_template(slug))

    async def render(
        self,
        slug: str,
        vars: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
    ) -> RenderResult:
        """As `Templates.render`."""
        return await self._transport.run(calls.render_template(slug, vars, version))

    async def create(
        self,
        slug: str,
        content: Content | Mapping[str, Any],
        *,
        channel: ChannelLike | None = None,
        description: str | None = None,
        variables: Variables | None = None,
        translations: Translations | None = None,
    ) -> TemplateDetail:
        """As `Templates.create`."""
        call = calls.create_template(slug, channel, content, description, variables, translations)
        return await self._transport.run(call)

    async def add_version(
        self,
        slug: str,
        content: Content | Mapping[str, Any],
        *,
        variables: Variables | None = None,
        translations: Translations | None = None,
    ) -> int:
        """As `Templates.add_version`."""
        return await self._transport.run(calls.add_version(slug, content, variables, translations))

    async def versions(self, slug: str) -> builtins.list[TemplateVersion]:
        """As `Templates.versions`."""
        return await self._transport.run(calls.list_versions(slug))

    async def version(self, slug: str, number: int) -> TemplateVersion:
        """As `Templates.version`."""
        return await self._transport.run(calls.get_version(slug, number))

    async def describe(self, slug: str, description: str | None) -> TemplateDetail:
        """As `Templates.describe`."""
        return await self._transport.run(calls.describe_template(slug, description))
