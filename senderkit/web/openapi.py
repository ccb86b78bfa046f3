"""The OpenAPI 3.1 document of /v1, written from what is in force: the routes and what their views
declare, the models that read the bodies, the types that answers are made of, the status of errors.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from flask import Flask
from pydantic import TypeAdapter

from senderkit import __version__
from senderkit.commands import IDEMPOTENCY_KEY_SCHEMA, REQUEST_MODELS, QueryParameter
from senderkit.domain import Scope
from senderkit.keys import TOKEN_PATTERN
from senderkit.web import wire
from senderkit.web.operations import JsonBody
from senderkit.web.routes import Codes, Route, camel, routes_of

Json = dict[str, Any]

SECURITY_SCHEME: Final = "apiKey"
_SCHEMAS: Final = "#/components/schemas/"
_JSON: Final = "application/json"
_TAGS: Final[Mapping[str, tuple[str, str]]] = {
    "send": ("Sending", "Hand over a message; it is stored before the answer."),
    "send-raw": ("Sending", ""),
    "messages": ("Messages", "What became of each message."),
    "templates": ("Templates", "Read, render and draft; publishing is a person's."),
    "context": ("Context", "Which workspace and mode a key belongs to."),
}
_RESPONSE_HEADERS: Final[Mapping[int, tuple[str, str, Json]]] = {
    401: ("WWW-Authenticate", "`Bearer`, and the reason when a key was given.", {"type": "string"}),
    403: ("WWW-Authenticate", "Names the scope that is missing.", {"type": "string"}),
    429: ("Retry-After", "Seconds to wait.", {"type": "integer", "minimum": 1, "maximum": 60}),
    503: ("Retry-After", "Seconds to wait.", {"type": "integer", "minimum": 1, "maximum": 60}),
}


def build_document(app: Flask, public_url: str) -> Json:
    """The whole document. `public_url` is where clients reach this server."""
    routes = list(routes_of(app))
    schemas, refs = _schemas(routes)
    return {
        "openapi": "3.1.0",
        "info": _info(),
        "servers": [{"url": public_url}],
        "security": [{SECURITY_SCHEME: []}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.values() if text],
        "paths": _paths(routes, refs),
        "components": {
            "schemas": schemas,
            "responses": _error_responses(routes),
            "headers": {"X-Request-Id": _REQUEST_ID},
            "securitySchemes": {SECURITY_SCHEME: _security_scheme()},
        },
    }


def _info() -> Json:
    return {
        "title": "SenderKit",
        "version": __version__,
        "description": "Transactional notifications by one API call. Read `/docs` for the guide.",
        "license": {"name": "MIT", "identifier": "MIT"},
    }


def _security_scheme() -> Json:
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": TOKEN_PATTERN,
        "description": "An API key. `sk_live_` sends for real, `sk_test_` never reaches a "
        f"provider. Scopes: {', '.join(Scope)}; a key without scopes may do everything.",
    }


_REQUEST_ID: Final[Json] = {
    "description": "Names this request in the server's log; a well-formed one of yours is kept.",
    "required": True,
    "schema": {"type": "string"},
}

# -- operations ----------------------------------------------------------------------------------


def _paths(routes: Iterable[Route], refs: Mapping[Any, Json]) -> Json:
    paths: Json = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method] = _operation(route, refs)
    return paths


def _operation(route: Route, refs: Mapping[Any, Json]) -> Json:
    summary, _, description = inspect.cleandoc(route.view.__doc__ or "").partition("\n")
    operation = route.operation
    written: Json = {
        "operationId": camel(route.endpoint),
        "summary": summary.rstrip("."),
        "description": f"{description.strip()}\n\nNeeds the scope `{operation.scope}`.".strip(),
        "tags": [_TAGS[route.path.split("/")[2]][0]],
        "x-senderkit-scope": operation.scope.value,
        "parameters": list(_parameters(route)),
        "responses": _responses(route, refs),
    }
    if operation.body is not None:
        written["requestBody"] = _request_body(operation.body, refs)
    return written


# -- parameters and bodies ----------------------------------------------------------------------


def _parameters(route: Route) -> Iterator[Json]:
    for name, described in route.parameters:
        yield {"name": name, "in": "path", "required": True, **described}
    for name, parameter in route.operation.query.items():
        yield _query_parameter(name, parameter)
    if route.operation.is_idempotent_by_key:
        yield _IDEMPOTENCY_KEY
    if route.operation.streams_by is not None:
        yield _LAST_EVENT_ID


def _query_parameter(name: str, parameter: QueryParameter) -> Json:
    written: Json = {
        "name": name,
        "in": "query",
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }
    if parameter.schema["type"] == "object":
        written |= {"style": "deepObject", "explode": True}
    return written


_IDEMPOTENCY_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A text of your own for this send. A repeat within 30 days gets the first "
    "answer again and sends nothing, whatever its body says.",
    "schema": dict(IDEMPOTENCY_KEY_SCHEMA),
}


_LAST_EVENT_ID: Final[Json] = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "Of a stream: the id of the last event that came whole. It goes on after that, "
    "without the newest messages first.",
    "schema": {"type": "string", "pattern": "^[0-9]{0,18}$"},
}


def _request_body(body: JsonBody, refs: Mapping[Any, Json]) -> Json:
    content = {"schema": refs[body.name], "example": body.example}
    return {"required": body.is_required, "content": {_JSON: content}}


# -- responses ----------------------------------------------------------------------------------


def _responses(route: Route, refs: Mapping[Any, Json]) -> Json:
    responses = {str(route.operation.status): _answer(route, refs)}
    for status, codes in route.codes.items():
        responses[str(status)] = {"$ref": f"#/components/responses/{_error_name(codes)}"}
    return responses | _OF_THE_FRONT


# What the HTTP server says by itself, before there is a request that could be answered in JSON.
_OF_THE_FRONT: Final[Json] = {
    "414": {"description": "The address is longer than 64 KiB. Without a body."},
    "431": {"description": "The headers are too many or too long. Without a body."},
}


def _error_responses(routes: Iterable[Route]) -> Json:
    found = {codes: status for route in routes for status, codes in route.codes.items()}
    return {_error_name(codes): _error(status, codes) for codes, status in found.items()}


def _error_name(codes: Codes) -> str:
    return ".".join(codes)


def _answer(route: Route, refs: Mapping[Any, Json]) -> Json:
    operation = route.operation
    headers: Json = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
    if operation.is_idempotent_by_key:
        headers["Idempotent-Replayed"] = {
            "description": "`true` when the Idempotency-Key was used before.",
            "schema": {"type": "string", "enum": ["true"]},
        }
    written: Json = {
        "description": inspect.cleandoc(operation.answer.__doc__ or ""),
        "headers": headers,
        "content": {_JSON: {"schema": refs[operation.answer]}},
    }
    if operation.streams_by is not None:
        written["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    if operation.links:
        links = operation.links.items()
        written["links"] = {camel(name): _link(name, sources) for name, sources in links}
    return written


def _link(name: str, parameters: Mapping[str, str]) -> Json:
    given = {camel(parameter): source for parameter, source in parameters.items()}
    return {"operationId": camel(name), "parameters": given}


def _error(status: int, codes: Codes) -> Json:
    listed = ", ".join(f"`{code}`" for code in codes)
    headers: Json = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
    if status in _RESPONSE_HEADERS:
        name, description, schema = _RESPONSE_HEADERS[status]
        headers[name] = {"description": description, "required": True, "schema": schema}
    code = {"properties": {"error": {"properties": {"code": {"enum": list(codes)}}}}}
    schema = {"allOf": [{"$ref": f"{_SCHEMAS}Error"}, code]}
    return {
        "description": f"{HTTPStatus(status).phrase}: {listed}",
        "headers": headers,
        "content": {_JSON: {"schema": schema}},
    }


# -- schemas ------------------------------------------------------------------------------------


def _schemas(routes: Iterable[Route]) -> tuple[Json, dict[Any, Json]]:
    """The components, and a reference for each body by name and each answer by type."""
    bodies = {name: TypeAdapter(model) for name, model in REQUEST_MODELS.items()}
    types = [*(route.operation.answer for route in routes), wire.ErrorJson]
    answers: dict[type, TypeAdapter[Any]] = {answer: TypeAdapter(answer) for answer in types}
    roots, shared = TypeAdapter.json_schemas(
        [
            *((name, "validation", adapter) for name, adapter in bodies.items()),
            *((answer, "serialization", adapter) for answer, adapter in answers.items()),
        ],
        ref_template=f"{_SCHEMAS}{{model}}",
    )
    refs = {key: _tidy(schema) for (key, _), schema in roots.items()}
    return {_public(name): _tidy(schema) for name, schema in shared["$defs"].items()}, refs


_NAMED_SCHEMAS: Final = frozenset({"properties", "$defs"})
_NOT_SCHEMAS: Final = frozenset({"examples", "enum", "const", "default", "required"})


def _tidy(schema: Any) -> Any:
    """The schema without generated titles, its references by their public names."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _tidy_part(key, value) for key, value in schema.items() if key != "title"}


def _tidy_part(key: str, value: Any) -> Any:
    if key in _NOT_SCHEMAS:
        return value
    if key in _NAMED_SCHEMAS:
        return {name: _tidy(item) for name, item in value.items()}
    if key == "$ref":
        return _public(value)
    if key == "mapping":
        return {name: _public(target) for name, target in value.items()}
    return _tidy(value)


def _public(name: str) -> str:
    """`MessageJson` is `Message` outside."""
    return name.removesuffix("Json")
