"""`/v1/templates`: list, get, render, and the draft operations. Publishing is a person's."""

from __future__ import annotations

from flask import Blueprint, Response

from senderkit.commands import (
    parse_add_version,
    parse_create_template,
    parse_describe_template,
    parse_render_template,
)
from senderkit.domain import Scope
from senderkit.services import templates
from senderkit.web import wire
from senderkit.web.auth import principal, requires
from senderkit.web.bodies import find_json, read_json
from senderkit.web.errors import json_response
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime


def add_template_routes(api: Blueprint) -> None:
    _add_reading_routes(api)
    _add_draft_routes(api)


def _add_reading_routes(api: Blueprint) -> None:
    @api.get("/templates")
    @requires(Scope.READ)
    def list_templates() -> Response:
        """Every template, archived ones too."""
        found = templates.list_templates(session(), principal().workspace_id)
        return json_response(wire.template_list_json(found))

    @api.get("/templates/<slug>")
    @requires(Scope.READ)
    def get_template(slug: str) -> Response:
        """One template and its published version, without content."""
        template = templates.get_template(session(), principal().workspace_id, slug)
        return json_response(wire.template_detail_json(template))

    @api.get("/templates/<slug>/versions")
    @requires(Scope.READ)
    def list_versions(slug: str) -> Response:
        """All versions, newest first, without content."""
        template = templates.get_template(session(), principal().workspace_id, slug)
        versions = templates.list_versions(session(), template)
        return json_response(wire.version_list_json(versions))

    @api.get("/templates/<slug>/versions/<int:number>")
    @requires(Scope.READ)
    def get_version(slug: str, number: int) -> Response:
        """One version with its content."""
        template = templates.get_template(session(), principal().workspace_id, slug)
        version = templates.get_version(session(), template, number)
        return json_response(wire.full_version_json(version))

    @api.post("/templates/<slug>/render")
    @requires(Scope.READ)
    def render_template(slug: str) -> Response:
        """Render without sending."""
        command = parse_render_template(find_json())
        channel, rendered = templates.render(session(), principal().workspace_id, slug, command)
        return json_response(wire.rendered_json(channel, rendered))


def _add_draft_routes(api: Blueprint) -> None:
    @api.post("/templates")
    @requires(Scope.SEND)
    def create_template() -> Response:
        """A new template with a first draft version."""
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
    @requires(Scope.SEND)
    def add_version(slug: str) -> Response:
        """A new draft version; nothing is published by it."""
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
    @requires(Scope.SEND)
    def describe_template(slug: str) -> Response:
        """Change the description."""
        command = parse_describe_template(read_json())
        template = templates.describe_template(
            session(), principal().workspace_id, slug, command, now=runtime().clock()
        )
        return json_response(wire.template_detail_json(template))
