"""What every server command begins with: settings, the application, its database up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from senderkit.errors import ApiError, InvalidRequest, SenderKitError, SettingsError
from senderkit.models import Workspace
from senderkit.services import access, api_keys, connections
from senderkit.settings import Settings, load_settings, misspelt_names
from senderkit.web import create_app
from senderkit.web.extensions import database
from senderkit.web.logs import configure_logging
from senderkit.web.runtime import runtime_of
from senderkit.web.schema import upgrade_schema

if TYPE_CHECKING:
    from senderkit.tracing import Tracing

P = ParamSpec("P")
R = TypeVar("R")


def told(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what a command raises on purpose into words on standard error and exit code 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except SettingsError as error:
            raise click.ClickException("\n".join(("wrong settings.", *error.problems))) from error
        except ApiError as error:
            raise click.ClickException(_words(error)) from error
        except SenderKitError as error:
            raise click.ClickException(str(error)) from error
        except SQLAlchemyError as error:
            raise click.ClickException(_database_words(error)) from error

    return run


def _words(error: ApiError) -> str:
    if not isinstance(error, InvalidRequest) or len(error.issues) <= 1:
        return error.message
    return "\n".join(f"{issue.path[0]}: {issue.message}" for issue in error.issues)


def _database_words(error: SQLAlchemyError) -> str:
    cause = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return (
        f"cannot use the database: {cause}\nCheck SENDERKIT_DATABASE_URL and that its server runs."
    )


def read_settings(overrides: Mapping[str, str] | None = None) -> Settings:
    """What the environment says, and `overrides` by name (`PORT`), which win over it.

    Tells of names that look like settings and are none: a misspelt one must not pass unseen.
    """
    for name, close in misspelt_names():
        hint = f" Did you mean {close}?" if close else ""
        click.echo(f"{name} is no setting of this release.{hint}", err=True)
    return load_settings(overrides=overrides, check=connections.problems_of)


def open_application(settings: Settings, tracing: Tracing | None = None) -> Flask:
    """The application on a migrated database, with its declared keys."""
    configure_logging(settings.log_level)
    app = create_app(settings, tracing=tracing)
    upgrade_schema(app)
    if settings.seed_keys:
        with app.app_context():
            _store_seed_keys(database.session(), settings, runtime_of(app).clock())
    return app


def _store_seed_keys(session: Session, settings: Settings, now: datetime) -> None:
    """Keys declared by hash work from the first request on, even before the set-up."""
    workspace = access.ensure_workspace(session, now=now)
    api_keys.seed_keys(session, workspace.id, settings.seed_keys, now)


@contextmanager
def opened_session() -> Iterator[tuple[Flask, Session]]:
    """The application and a session, for one command."""
    app = open_application(read_settings())
    try:
        with app.app_context():
            yield app, database.session()
    finally:
        runtime_of(app).close()


def get_workspace(session: Session) -> Workspace:
    """Raises `ClickException` before the first owner exists."""
    workspace = access.find_workspace(session)
    if workspace is None or workspace.set_up_at is None:
        raise click.ClickException(
            "this server is not set up yet: open it in a browser, or run 'senderkit admin init'."
        )
    return workspace
