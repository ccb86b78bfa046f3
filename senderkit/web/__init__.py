"""Everything that knows HTTP: the /v1 API, the dashboard, and the async front that serves them."""

from senderkit.web.application import create_app

__all__ = ["create_app"]
