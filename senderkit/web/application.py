"""`create_app`: settings in, a wired Flask application out. No thread runs until it is served."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from senderkit import resources
from senderkit.database import engine_options, make_private, prepare
from senderkit.domain import Clock, new_request_id, utc_now
from senderkit.services.access import SESSION_IDLE_LIMIT
from senderkit.settings import Settings
from senderkit.web import auth, callbacks, docs, health
from senderkit.web.api import make_api
from senderkit.web.bodies import is_callback_path, refuse_unread_body
from senderkit.web.dashboard import add_dashboard
from senderkit.web.dashboard.error_pages import page_for
from senderkit.web.dashboard.guard import guard
from senderkit.web.dashboard.sessions import PageCookies
from senderkit.web.errors import response_for
from senderkit.web.exchanges import Watched, note_request
from senderkit.web.extensions import csrf, database, migrate
from senderkit.web.headers import SecurityHeaders
from senderkit.web.metrics import add_metrics_route
from senderkit.web.runtime import attach, build_runtime, runtime_of

if TYPE_CHECKING:
    from senderkit.tracing import Tracing

_MAX_FORM_BYTES: Final = 2 * 1024 * 1024
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,128}")


def create_app(settings: Settings, clock: Clock = utc_now, tracing: Tracing | None = None) -> Flask:
    """An application on the database that the settings name.

    Raises `ScopeMissingError` when a /v1 route declares no scope.
    """
    app = Flask(
        "senderkit",
        template_folder=str(resources.templates_dir()),
        static_folder=str(resources.static_dir()),
    )
    app.session_interface = PageCookies()
    _configure(app, settings)
    _open_database(app, settings, clock, tracing)
    _watch(app)
    _add_request_hooks(app)
    api = make_api()
    app.register_blueprint(api)
    csrf.exempt(api)
    app.register_blueprint(callbacks.hooks)
    health.add_health_routes(app)
    add_metrics_route(app, runtime_of(app))
    add_dashboard(app)
    docs.add_docs_routes(app)
    auth.check_scopes_declared(app)
    return app


def _configure(app: Flask, settings: Settings) -> None:
    name = "__Host-senderkit" if settings.is_https else "senderkit"
    app.config.update(
        SECRET_KEY=settings.secret_key,
        DEBUG=settings.debug,
        SESSION_COOKIE_NAME=name,
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_FORM_MEMORY_SIZE=_MAX_FORM_BYTES,
        MAX_FORM_PARTS=200,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=SESSION_IDLE_LIMIT,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_HEADERS=[],
        WTF_CSRF_SSL_STRICT=False,  # the guard looks at Origin and Referer on http as well
        SEND_FILE_MAX_AGE_DEFAULT=3600,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(
            settings.database_url, connections=settings.threads + 8
        ),
    )
    # Nothing under /v1 redirects: a client would drop its key.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.wsgi_app = SecurityHeaders(app.wsgi_app)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )


def _open_database(app: Flask, settings: Settings, clock: Clock, tracing: Tracing | None) -> None:
    make_private(settings.database_url)
    database.init_app(app)
    migrate.init_app(app, database, directory=str(resources.migrations_dir()))
    with app.app_context():
        engine = prepare(database.engine)
    attach(app, build_runtime(settings, engine, clock, tracing))


def _watch(app: Flask) -> None:
    app.wsgi_app = Watched(app.wsgi_app, runtime_of(app).watch)  # type: ignore[method-assign]


def _add_request_hooks(app: Flask) -> None:
    @app.before_request
    def _identify() -> None:
        given = request.headers.get("X-Request-Id")
        is_well_formed = given is not None and _REQUEST_ID.fullmatch(given)
        g.request_id = given if is_well_formed else new_request_id()
        note_request(g.request_id)

    # In this order: the key, the size, the login, the form's token.
    app.before_request(auth.guard)
    app.before_request(refuse_unread_body)
    app.before_request(guard)
    csrf.init_app(app)

    @app.after_request
    def _finish(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.get("request_id", "")
        return response

    @app.errorhandler(Exception)
    def _answer_error(error: Exception) -> Any:
        if auth.is_api_path(request.path):
            return response_for(error, g.get("request_id"))
        if is_callback_path(request.path):
            return callbacks.answer_for(error)
        return page_for(error)
