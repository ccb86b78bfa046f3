"""`create_app`: settings in, a wired Flask application out."""

from __future__ import annotations

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from senderkit import __version__, resources
from senderkit.database import engine_options, make_private, prepare
from senderkit.settings import Settings
from senderkit.web.extensions import csrf, database, migrate


def create_app(settings: Settings) -> Flask:
    """An application on the database that the settings name."""
    app = Flask(
        "senderkit",
        template_folder=str(resources.templates_dir()),
        static_folder=str(resources.static_dir()),
    )
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(
            settings.database_url, connections=settings.threads + 8
        ),
    )
    make_private(settings.database_url)
    database.init_app(app)
    migrate.init_app(app, database, directory=str(resources.migrations_dir()))
    csrf.init_app(app)
    with app.app_context():
        prepare(database.engine)
    _add_health(app)
    return app


def _add_health(app: Flask) -> None:
    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """The process is up."""
        return {"status": "ok", "version": __version__}

    @app.get("/readyz")
    def readyz() -> tuple[dict[str, str], int]:
        """The database answers."""
        try:
            with database.engine.connect() as connection:
                connection.exec_driver_sql("SELECT value FROM change_counter")
        except SQLAlchemyError:
            return {"status": "unavailable"}, 503
        return {"status": "ready"}, 200
