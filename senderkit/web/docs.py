"""The API's documents: `/openapi.json` for machines, `/docs` for people. No key is needed."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from flask import Flask, Response, render_template

from senderkit.errors import (
    ApiError,
    ChannelMismatch,
    EnvelopeNotSupported,
    InsufficientScope,
    InvalidRequest,
    MethodNotAllowed,
    NotAcceptable,
    NotCancelable,
    NotFound,
    PayloadTooLarge,
    ProviderNotConfigured,
    RateLimited,
    ServiceUnavailable,
    SlugTaken,
    StreamsNotServed,
    TemplateArchived,
    TemplateNotFound,
    TemplateNotPublished,
    Unauthorized,
    UnsupportedMediaType,
    VersionNotFound,
)
from senderkit.keys import TOKEN_PATTERN
from senderkit.simulator import FORCED
from senderkit.web.errors import json_response, status_of
from senderkit.web.openapi import build_document
from senderkit.web.reference import groups_of
from senderkit.web.runtime import runtime_of

_WHEN: Final[tuple[tuple[type[ApiError], str], ...]] = (
    (InvalidRequest, "Malformed JSON, an unknown or invalid field, a bad query or recipient."),
    (EnvelopeNotSupported, "Sender, copies, reply address or attachments, but not an email."),
    (ChannelMismatch, "The channel differs from the template's."),
    (ProviderNotConfigured, "Live mode, and nothing can deliver that channel."),
    (Unauthorized, "The key is missing, malformed, unknown or revoked."),
    (InsufficientScope, "The key is valid but lacks the scope that the message names."),
    (NotFound, "No such route, or no such message for this key."),
    (TemplateNotFound, "There is no template of this slug."),
    (TemplateNotPublished, "The template has no published version."),
    (VersionNotFound, "The template has no such version."),
    (MethodNotAllowed, "The route does not take this method."),
    (NotAcceptable, "Accept rules JSON out."),
    (NotCancelable, "Too late to cancel; the message says the status just observed."),
    (SlugTaken, "There is a template of this slug already."),
    (PayloadTooLarge, "The body is longer than 25 MiB."),
    (UnsupportedMediaType, "The body is not application/json, or it is encoded."),
    (TemplateArchived, "The template is archived."),
    (RateLimited, "Too many requests of this key; wait Retry-After seconds."),
    (ApiError, "A fault of this server; it was logged."),
    (StreamsNotServed, "Messages cannot be followed behind another server than our own."),
    (ServiceUnavailable, "The database cannot take anything right now; try again."),
)


def add_docs_routes(app: Flask) -> None:
    settings = runtime_of(app).settings

    @cache
    def document() -> dict[str, Any]:
        return build_document(app, settings.public_url)

    @app.get("/openapi.json")
    def openapi() -> Response:
        """The OpenAPI 3.1 document of the API."""
        return json_response(document())

    @app.get("/docs")
    def docs() -> str:
        """The same for people."""
        return render_template(
            "docs/index.html",
            groups=groups_of(document()),
            base_url=settings.public_url,
            token_pattern=TOKEN_PATTERN,
            errors=[(status_of(kind), kind.code, words) for kind, words in _WHEN],
            outcomes=FORCED,
        )
