"""The guard of /v1: key -> principal -> scope, before every request, chosen by path.

It runs for unknown routes and wrong methods too: key first, then 404 or 405. Each view declares its
scope with `requires`; `check_scopes_declared` refuses to start an application that forgot one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from flask import Flask, current_app, g, request
from werkzeug.routing import RequestRedirect

from senderkit.domain import Scope
from senderkit.errors import (
    InsufficientScope,
    InvalidRequest,
    Issue,
    NotAcceptable,
    NotFound,
    Unauthorized,
)
from senderkit.services.api_keys import Principal, find_principal
from senderkit.web.runtime import runtime

API_PREFIX: Final = "/v1"
_SCHEME: Final = "bearer"

View = TypeVar("View", bound=Callable[..., Any])


class ScopeMissingError(AssertionError):
    """A /v1 route declares no scope: the application must not start."""


def requires(scope: Scope, *, query: bool = False) -> Callable[[View], View]:
    """Declare the scope of a /v1 view. `query` says that the view reads query names itself."""

    def declare(view: View) -> View:
        view.required_scope = scope  # type: ignore[attr-defined]
        view.reads_query = query  # type: ignore[attr-defined]
        return view

    return declare


def is_api_path(path: str) -> bool:
    return path == API_PREFIX or path.startswith(f"{API_PREFIX}/")


def check_scopes_declared(app: Flask) -> None:
    """Raise `ScopeMissingError` naming every /v1 route without a scope."""
    forgotten = [
        f"{rule.rule} ({rule.endpoint})"
        for rule in app.url_map.iter_rules()
        if is_api_path(rule.rule)
        and not hasattr(app.view_functions[rule.endpoint], "required_scope")
    ]
    if forgotten:
        raise ScopeMissingError(f"no scope is declared for {', '.join(sorted(forgotten))}")


def principal() -> Principal:
    """Whose request this is; only under /v1, after the guard."""
    found: Principal = g.principal
    return found


def guard() -> None:
    """Authenticate and authorize a /v1 request; raises what is to be answered instead."""
    if not is_api_path(request.path):
        return
    found = _authenticate()
    g.principal = found
    _check_route()
    view = g.view = _view()
    if not found.may(view.required_scope):
        raise InsufficientScope(view.required_scope.value)
    runtime().usage.record(
        found.key_id, f"{request.method} {request.url_rule}", request.remote_addr or ""
    )
    _check_accept()
    if request.query_string and not view.reads_query:
        _refuse_query()


def _authenticate() -> Principal:
    token = _bearer_token()
    found = find_principal(runtime().reader, token)
    if found is None:
        raise Unauthorized(token_given=True)
    return found


def _bearer_token() -> str:
    """The token of the one `Authorization` header. A repeated header arrives with a comma."""
    scheme, _, token = request.headers.get("Authorization", "").strip(" \t").partition(" ")
    token = token.strip(" \t")
    if scheme.lower() != _SCHEME or not token:
        raise Unauthorized(token_given=False)
    if "," in token or not token.isascii():
        raise Unauthorized(token_given=True)
    return token


def _check_route() -> None:
    fault = request.routing_exception
    if isinstance(fault, RequestRedirect):
        raise NotFound("There is no such route.")
    if fault is not None:
        raise fault


def _view() -> Any:
    return current_app.view_functions[request.endpoint or ""]


def _check_accept() -> None:
    accepted = request.accept_mimetypes
    if accepted and not accepted.accept_json:
        raise NotAcceptable("This API answers in application/json only.")


def _refuse_query() -> None:
    names = sorted(set(request.args))
    raise InvalidRequest(
        "This route takes no query.",
        [Issue("unknown_field", (name,), "There is no such query name.") for name in names],
    )
