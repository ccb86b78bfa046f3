"""The routes of /v1 as the outside names them, with what their views declare and may answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import Flask
from werkzeug.routing import Rule

from senderkit.errors import (
    ApiError,
    InsufficientScope,
    InvalidRequest,
    NotAcceptable,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    ServiceUnavailable,
    Unauthorized,
    UnsupportedMediaType,
)
from senderkit.web import wire
from senderkit.web.auth import is_api_path
from senderkit.web.errors import status_of
from senderkit.web.operations import Operation, operation_of

Codes = tuple[str, ...]

_PATH_PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>")
_PATH_PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "public_id": {
        "description": "The message's `publicId`.",
        "schema": {"type": "string", "minLength": 1},
        "example": wire.EXAMPLE_MESSAGE_ID,
    },
    "slug": {
        "description": "The template's slug, in any case.",
        "schema": {"type": "string", "minLength": 1},
        "example": "welcome",
    },
    "number": {
        "description": "The version's number.",
        "schema": {"type": "integer", "minimum": 0},
        "example": 1,
    },
}
_EVERYWHERE: Final[tuple[type[ApiError], ...]] = (
    InvalidRequest,
    Unauthorized,
    InsufficientScope,
    NotAcceptable,
    RateLimited,
    ApiError,
    ServiceUnavailable,
)


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one /v1 path, as the document names it (`/v1/messages/{publicId}`).

    `parameters` are those of the path: name, and description, schema and example.
    """

    path: str
    method: str
    endpoint: str
    parameters: tuple[tuple[str, Mapping[str, Any]], ...]
    operation: Operation
    view: Callable[..., Any]

    @property
    def codes(self) -> dict[int, Codes]:
        """The codes of every error that this operation may answer, by HTTP status."""
        found: dict[int, Codes] = {}
        for kind in dict.fromkeys(self._errors()):
            status = status_of(kind)
            found[status] = (*found.get(status, ()), kind.code)
        return dict(sorted(found.items()))

    def _errors(self) -> Iterator[type[ApiError]]:
        yield from _EVERYWHERE
        if self.parameters:
            yield NotFound
        if self.method != "get":  # the body of a GET is not looked at
            yield PayloadTooLarge
        if self.operation.body is not None:
            yield UnsupportedMediaType
        yield from self.operation.raises


def routes_of(app: Flask) -> Iterator[Route]:
    """Every operation under /v1, in the order in which they were added."""
    for rule in app.url_map.iter_rules():
        if not is_api_path(rule.rule):
            continue
        view = app.view_functions[rule.endpoint]
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield _route(rule, method, view)


def _route(rule: Rule, method: str, view: Callable[..., Any]) -> Route:
    found = _PATH_PARAMETER.findall(rule.rule)
    return Route(
        path=_PATH_PARAMETER.sub(lambda match: f"{{{camel(match[1])}}}", rule.rule),
        method=method.lower(),
        endpoint=rule.endpoint.rpartition(".")[2],
        parameters=tuple((camel(name), _PATH_PARAMETERS[name]) for name in found),
        operation=operation_of(view),
        view=view,
    )


def camel(name: str) -> str:
    """`public_id` -> `publicId`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
