"""`/healthz` says that the process is up, `/readyz` that it can do its work."""

from __future__ import annotations

from flask import Flask, Response
from sqlalchemy.exc import SQLAlchemyError

from senderkit import __version__
from senderkit.web import schema
from senderkit.web.errors import json_response
from senderkit.web.runtime import Runtime, runtime


def add_health_routes(app: Flask) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        """The process is up."""
        return json_response({"status": "ok", "version": __version__})

    @app.get("/readyz")
    def readyz() -> Response:
        """The database is reached and migrated, and the dispatchers come round."""
        checks = _checks(runtime())
        is_ready = all(checks.values())
        body = {"status": "ready" if is_ready else "unavailable", "checks": checks}
        return json_response(body, 200 if is_ready else 503)


def _checks(at_hand: Runtime) -> dict[str, bool]:
    checks = {"database": _is_database_ready(at_hand)}
    if at_hand.settings.dispatcher:
        checks["dispatcher"] = at_hand.dispatcher.is_alive()
        checks["webhooks"] = at_hand.webhooks.is_alive()
    return checks


def _is_database_ready(at_hand: Runtime) -> bool:
    try:
        with at_hand.reader.connect() as connection:
            return schema.is_current(connection)
    except SQLAlchemyError:
        return False
