"""The guard of /v1: key -> principal -> scope, before every request, chosen by path.

It runs for unknown routes and wrong methods too: key first, then 404 or 405. Each view declares its
scope with `Operation`; `check_scopes_declared` refuses to start an application that forgot one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NoReturn

from flask import Flask, Request, current_app, g
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.routing import RequestRedirect

from senderkit.errors import (
    InsufficientScope,
    InvalidRequest,
    Issue,
    NotAcceptable,
    NotFound,
    Unauthorized,
)
from senderkit.services.api_keys import Principal, find_principal
from senderkit.web.exchanges import note_key
from senderkit.web.extensions import current_request
from senderkit.web.key_reads import KEY_READ, Found
from senderkit.web.media_types import accepts_json
from senderkit.web.operations import Operation, operation_of
from senderkit.web.runtime import runtime, runtime_of

API_PREFIX: Final = "/v1"
_SCHEME: Final = "bearer"


def is_api_path(path: str) -> bool:
    """Whether it is the API's to answer, in any case of letters: `/V1` is a JSON 404, no page."""
    return f"{path[:4].lower()}/".startswith(f"{API_PREFIX}/")


def check_scopes_declared(app: Flask) -> None:
    """Raise `ScopeMissingError` when a /v1 route declares no scope."""
    for rule in app.url_map.iter_rules():
        if is_api_path(rule.rule):
            operation_of(app.view_functions[rule.endpoint])


def principal() -> Principal:
    """Whose request this is; only under /v1, after the guard."""
    found: Principal = g.principal
    return found


def guard() -> None:
    """Authenticate and authorize a /v1 request; raises what is to be answered instead."""
    asked = current_request()
    if not is_api_path(asked.path):
        return
    at_hand = runtime()
    found = _authenticate(asked, at_hand.reader)
    note_key(found.key_public_id)
    at_hand.key_limits.check(found.key_public_id)
    g.principal = found
    operation = operation_of(current_app.view_functions[_endpoint(asked)])
    if not found.may(operation.scope):
        raise InsufficientScope(operation.scope.value)
    at_hand.usage.record(found.key_id, f"{asked.method} {asked.url_rule}", asked.remote_addr or "")
    if not accepts_json(asked.headers.get("Accept", "")) and not _streams(asked, operation):
        raise NotAcceptable("This API answers in application/json only.")
    if asked.query_string and not operation.query:
        _refuse_query(asked.args)


def _streams(asked: Request, operation: Operation) -> bool:
    """Whether the query asks for a stream, which alone decides on one."""
    return operation.streams_by is not None and bool(asked.args.get(operation.streams_by))


def _authenticate(asked: Request, reader: Engine) -> Principal:
    token = _bearer_token(asked.headers.get("Authorization", ""))
    # Under a server that is not ours nobody has read it yet.
    is_read = KEY_READ in asked.environ
    found: Found = asked.environ[KEY_READ] if is_read else find_principal(reader, token)
    if found is None:
        raise Unauthorized(token_given=True)
    if isinstance(found, SQLAlchemyError):
        raise found
    return found


def read_key(app: Flask, authorization: str) -> Found:
    """Whose key an `Authorization` header holds, for the front; it never raises."""
    try:
        return find_principal(runtime_of(app).reader, _bearer_token(authorization))
    except Unauthorized:
        return None
    except SQLAlchemyError as error:
        return error


def _bearer_token(header: str) -> str:
    """The token of the one `Authorization` header. A repeated header arrives with a comma."""
    scheme, _, token = header.strip(" \t").partition(" ")
    token = token.strip(" \t")
    if scheme.lower() != _SCHEME or not token:
        raise Unauthorized(token_given=False)
    if "," in token or not token.isascii():
        raise Unauthorized(token_given=True)
    return token


def _endpoint(asked: Request) -> str:
    """The name of the view that the path leads to. Raises `NotFound` and routing errors."""
    if "\0" in asked.path:  # no name of ours holds one, and Postgres takes none in a text
        raise NotFound("There is no such route.")
    fault = asked.routing_exception
    if isinstance(fault, RequestRedirect):
        raise NotFound("There is no such route.")
    if fault is not None:
        raise fault
    return asked.endpoint or ""


def _refuse_query(query: Iterable[str]) -> NoReturn:
    names = sorted(set(query))
    raise InvalidRequest(
        "This route takes no query.",
        [Issue("unknown_field", (name,), "There is no such query name.") for name in names],
    )
