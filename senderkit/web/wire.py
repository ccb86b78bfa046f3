"""Model -> JSON: the only place that knows the names of the wire's answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from senderkit.acceptance import Accepted
from senderkit.domain import Channel, Mode
from senderkit.models import Template, TemplateVersion
from senderkit.rendering import Rendered, render_output
from senderkit.services.api_keys import Principal
from senderkit.services.reports import MessageView, Page, TimelineRow
from senderkit.services.templates import status_of


def moment(value: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds and `Z`."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def accepted_json(accepted: Accepted, mode: Mode) -> dict[str, Any]:
    return {"id": accepted.public_id, "status": accepted.status, "livemode": mode.livemode}


def message_json(view: MessageView, workspace_uuid: str) -> dict[str, Any]:
    row = view.row
    return {
        "id": row.uuid,
        "workspaceId": workspace_uuid,
        "publicId": row.public_id,
        "templateSlug": row.template_slug,
        "templateVersion": row.template_version,
        "channel": row.channel,
        "status": row.status,
        "livemode": row.livemode,
        "recipient": row.recipient,
        "vars": row.vars,
        "metadata": row.metadata,
        "fromOverride": row.from_override,
        "provider": row.provider,
        "providerConnectionId": row.connection_id,
        "providerMessageId": row.provider_message_id,
        "latencyMs": row.latency_ms,
        "error": row.error,
        "timeline": [timeline_json(entry) for entry in view.timeline],
        "scheduledAt": moment(row.scheduled_at),
        "openedAt": moment(row.opened_at),
        "clickedAt": moment(row.clicked_at),
        "createdAt": moment(row.created_at),
    }


def timeline_json(entry: TimelineRow) -> dict[str, Any]:
    return {"t": moment(entry.at), "e": entry.event, **entry.detail}


def page_json(page: Page, workspace_uuid: str) -> dict[str, Any]:
    return {
        "data": [message_json(view, workspace_uuid) for view in page.messages],
        "nextCursor": page.older,
    }


def template_json(template: Template) -> dict[str, Any]:
    return {
        "slug": template.slug,
        "channel": template.channel,
        "description": template.description,
        "status": status_of(template).value,
        "updatedAt": moment(template.updated_at),
    }


def template_detail_json(template: Template) -> dict[str, Any]:
    published = template.published_version if template.archived_at is None else None
    current = None if published is None else version_json(published)
    return template_json(template) | {"currentVersion": current}


def version_json(version: TemplateVersion) -> dict[str, Any]:
    return {
        "versionNumber": version.number,
        "variables": version.variables,
        "publishedAt": moment(version.published_at),
    }


def listed_version_json(version: TemplateVersion) -> dict[str, Any]:
    return version_json(version) | {"createdAt": moment(version.created_at), "note": version.note}


def full_version_json(version: TemplateVersion) -> dict[str, Any]:
    return listed_version_json(version) | {"content": version.content}


def rendered_json(channel: Channel, rendered: Rendered) -> Mapping[str, Any]:
    return {
        "channel": channel.value,
        "output": render_output(rendered.body),
        "missing": list(rendered.missing),
    }


def context_json(principal: Principal) -> dict[str, Any]:
    return {
        "workspace": {
            "id": principal.workspace_uuid,
            "slug": principal.workspace_slug,
            "name": principal.workspace_name,
        },
        "mode": principal.mode.value,
    }
