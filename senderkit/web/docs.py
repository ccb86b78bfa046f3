"""The API's documents: `/openapi.json` for machines. No key is needed."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Flask, Response

from senderkit.web.errors import json_response
from senderkit.web.openapi import build_document
from senderkit.web.runtime import runtime_of


def add_docs_routes(app: Flask) -> None:
    settings = runtime_of(app).settings

    @cache
    def document() -> dict[str, Any]:
        return build_document(app, settings.public_url)

    @app.get("/openapi.json")
    def openapi() -> Response:
        """The OpenAPI 3.1 document of the API."""
        return json_response(document())
