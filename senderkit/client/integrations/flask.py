"""Flask: a client for the application, and verified webhooks.

::

    app.config["SENDERKIT_API_KEY"] = os.environ["SENDERKIT_API_KEY"]
    senderkit = SenderKitFlask(app)  # or SenderKitFlask().init_app(app)

    @app.post("/welcome")
    def welcome():
        senderkit.client.send("welcome", "ada@example.com")
        return "", 204

    @app.post("/webhooks/senderkit")
    def hook():
        event = senderkit.verify_webhook(request)
        return {"type": event.type}

Reads `SENDERKIT_API_KEY`, `SENDERKIT_BASE_URL`, `SENDERKIT_TIMEOUT` (seconds),
`SENDERKIT_MAX_RETRIES` and `SENDERKIT_WEBHOOK_SECRET` from the application's configuration; what
is not set there comes from the environment.
"""

from __future__ import annotations

import threading
from typing import Any, Final
from weakref import WeakKeyDictionary

from flask import Flask, Request, abort, current_app

from senderkit.client.client import SenderKit
from senderkit.client.errors import SenderKitSignatureError
from senderkit.client.webhooks import DEFAULT_TOLERANCE_SECONDS, WebhookEvent, WebhookVerifier

_EXTENSION: Final = "senderkit"
_SETTINGS: Final = ("API_KEY", "BASE_URL", "TIMEOUT", "MAX_RETRIES", "WEBHOOK_SECRET")


class SenderKitFlask:
    """The extension. One may serve several applications, each with a client of its own."""

    def __init__(self, app: Flask | None = None) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._clients: WeakKeyDictionary[Flask, SenderKit] = WeakKeyDictionary()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Make the extension known to `app`."""
        for name in _SETTINGS:
            app.config.setdefault(f"SENDERKIT_{name}", None)
        app.extensions[_EXTENSION] = self
        self._app = self._app or app

    @property
    def client(self) -> SenderKit:
        """The application's client: made on first use, then kept, whatever thread asks.

        Raises `ValueError` as `SenderKit` does.
        """
        app = self._application()
        with self._lock:
            if app not in self._clients:
                self._clients[app] = _make_client(app)
            return self._clients[app]

    def verify_webhook(
        self,
        request: Request,
        *,
        secret: str | None = None,
        tolerance: int = DEFAULT_TOLERANCE_SECONDS,
    ) -> WebhookEvent:
        """The event that `request` brings; ends the request with 400 when it is not ours.

        `tolerance` is in seconds.
        """
        configured = self._application().config.get("SENDERKIT_WEBHOOK_SECRET")
        try:
            return WebhookVerifier(secret or configured).verify(
                request.get_data(),
                request.headers.get("X-SenderKit-Signature", ""),
                tolerance=tolerance,
                event_type=request.headers.get("X-SenderKit-Event"),
                delivery_id=request.headers.get("X-SenderKit-Delivery"),
            )
        except SenderKitSignatureError as error:
            abort(400, description=str(error))

    def _application(self) -> Flask:
        """The application of the running request, else the one it was made for."""
        if current_app:
            running: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
            return running
        if self._app is None:
            raise RuntimeError("SenderKitFlask has no application yet: call init_app(app)")
        return self._app


def _make_client(app: Flask) -> SenderKit:
    def setting(name: str) -> Any:
        return app.config.get(f"SENDERKIT_{name}")

    return SenderKit(
        setting("API_KEY"),
        base_url=setting("BASE_URL"),
        timeout=setting("TIMEOUT"),
        max_retries=setting("MAX_RETRIES"),
        webhook_secret=setting("WEBHOOK_SECRET"),
    )
