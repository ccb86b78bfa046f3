"""`/v1/templates`: list, get, render, and the draft operations. Publishing is a person's."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response

from senderkit.commands import (
    parse_add_version,
    parse_create_template,
    parse_describe_template,
    parse_render_template,
)
from senderkit.domain import Scope
from senderkit.errors import (
    SlugTaken,
    TemplateNotFound,
    TemplateNotPublished,
    VersionNotFound,
)
from senderkit.services import templates
from senderkit.web import wire
from senderkit.web.auth import principal
from senderkit.web.bodies import find_json, read_json
from senderkit.web.errors import json_response
from senderkit.web.extensions import session
from senderkit.web.operations import JsonBody, Operation
from senderkit.web.runtime import runtime

_CONTENT: Final = {"subject": "Hello {{name}}", "html": "<p>Hello, {{name}}.</p>"}
_NEW_TEMPLATE: Final = {
    "slug": "welcome",
    "channel": "email",
    "content": _CONTENT,
    "variables": [{"name": "name", "type": "string", "example": "Ada"}],
}
_SLUG_OF_ANSWER: Final = {"slug": "$response.body#/slug"}


def add_template_routes(api: Blueprint) -> None:
    _add_reading_routes(api)
    _add_draft_routes(api)


def _add_reading_routes(api: Blueprint) -> None:
    @api.get("/templates")
    @Operation(Scope.READ, answer=wire.TemplateListJson)
    def list_templates() -> Response:
        """List every template, archived ones too."""
        found = templates.list_templates(session(), principal().workspace_id)
        return json_response(wire.template_list_json(found))

    @api.get("/templates/<slug>")
    @Operation(Scope.READ, answer=wire.TemplateDetailJson, raises=(TemplateNotFound,))
    def get_template(slug: str) -> Response:
        """Get a template and its published version, without content."""
        template = templates.get_template(session(), principal().workspace_id, slug)
        return json_response(wire.template_detail_json(template))

    @api.get("/templates/<slug>/versions")
    @Operation(Scope.READ, answer=wire.VersionListJson, raises=(TemplateNotFound,))
    def list_versions(slug: str) -> Response:
        """List all versions, newest first, without content."""
        template = templates.get_template(session(), principal().workspace_id, slug)
        versions = templates.list_versions(session(), template)
        return json_response(wire.version_list_json(versions))

    @api.get("/templates/<slug>/versions/<int:number>")
    @Operation(Scope.READ, answer=wire.FullVersionJson, raises=(TemplateNotFound, VersionNotFound))
    def get_version(slug: str, number: int) -> Response:
        """Get one version with its content."""
        template = templates.get_template(session(), principal().workspace_id, slug)
        version = templates.get_version(session(), template, number)
        return json_response(wire.full_version_json(version))

    @api.post("/templates/<slug>/render")
    @Operation(
        Scope.READ,
        answer=wire.RenderedJson,
        body=JsonBody("RenderTemplate", {"vars": {"name": "Ada"}}, is_required=False),
        raises=(TemplateNotFound, TemplateNotPublished, VersionNotFound),
    )
    def render_template(slug: str) -> Response:
        """Render a template without sending.

        `missing` lists the variables that the template names and `vars` does not have; they
        render as empty text.
        """
        command = parse_render_template(find_json())
        channel, rendered = templates.render(session(), principal().workspace_id, slug, command)
        return json_response(wire.rendered_json(channel, rendered))


def _add_draft_routes(api: Blueprint) -> None:
    @api.post("/templates")
    @Operation(
        Scope.SEND,
        answer=wire.TemplateDetailJson,
        status=201,
        body=JsonBody("CreateTemplate", _NEW_TEMPLATE),
        raises=(SlugTaken,),
        links={
            "get_template": _SLUG_OF_ANSWER,
            "add_version": _SLUG_OF_ANSWER,
            "describe_template": _SLUG_OF_ANSWER,
            "list_versions": _SLUG_OF_ANSWER,
        },
    )
    def create_template() -> Response:
        """Create a template with a first draft version.

        Publishing is done by a person, in the dashboard or the shell.
        """
        command = parse_create_template(read_json())
        template = templates.create_template(
            session(),
            principal().workspace_id,
            command,
            created_by_id=None,
            now=runtime().clock(),
        )
        return json_response(wire.template_detail_json(template), 201)

    @api.post("/templates/<slug>/versions")
    @Operation(
        Scope.SEND,
        answer=wire.AddedVersionJson,
        status=201,
        body=JsonBody("AddVersion", {"content": _CONTENT}),
        raises=(TemplateNotFound,),
        links={
            "get_version": {
                "slug": "$request.path.slug",
                "number": "$response.body#/versionNumber",
            }
        },
    )
    def add_version(slug: str) -> Response:
        """Add a draft version.

        Nothing is published by it: live sends go on with the published version.
        """
        command = parse_add_version(read_json())
        version = templates.add_version(
            session(),
            principal().workspace_id,
            slug,
            command,
            created_by_id=None,
            now=runtime().clock(),
        )
        return json_response(wire.added_version_json(version), 201)

    @api.patch("/templates/<slug>")
    @Operation(
        Scope.SEND,
        answer=wire.TemplateDetailJson,
        body=JsonBody("DescribeTemplate", {"description": "Greets a new customer."}),
        raises=(TemplateNotFound,),
    )
    def describe_template(slug: str) -> Response:
        """Change a template's description."""
        command = parse_describe_template(read_json())
        template = templates.describe_template(
            session(), principal().workspace_id, slug, command, now=runtime().clock()
        )
        return json_response(wire.template_detail_json(template))
