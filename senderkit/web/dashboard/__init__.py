"""The dashboard: one blueprint for each area, named after the service it shows."""

from __future__ import annotations

from typing import Final

from flask import Flask

from senderkit.web.dashboard import (
    access,
    blocks,
    channels,
    exports,
    keys,
    message_stream,
    messages,
    overview,
    resends,
    styleguide,
    suppressions,
    template_editor,
    template_preview,
    template_settings,
    template_versions,
    templates,
    themes,
    unsubscribe,
    webhook_log,
    webhooks,
)
from senderkit.web.dashboard.frame import add_frame
from senderkit.web.dashboard.guard import FOREIGN_FORMS
from senderkit.web.dashboard.sessions import login_manager
from senderkit.web.extensions import csrf
from senderkit.web.runtime import runtime_of

_AREAS: Final = (
    *(access, overview, messages, templates, channels, webhooks, webhook_log, keys),
    *(template_editor, template_preview, template_versions, template_settings, blocks, themes),
    *(message_stream, resends, exports, suppressions, unsubscribe),
)


def add_dashboard(app: Flask) -> None:
    """Register every page, the frame around them and what guards them."""
    add_frame(app)
    # Without a context processor: it would ask the database for every page, errors included.
    login_manager.init_app(app, add_context_processor=False)
    for area in _AREAS:
        app.register_blueprint(area.pages)
    if runtime_of(app).settings.debug:
        app.register_blueprint(styleguide.pages)
    for endpoint in FOREIGN_FORMS:
        csrf.exempt(app.view_functions[endpoint])
