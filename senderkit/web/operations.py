"""What a /v1 view promises, declared next to it: for the guard and for the OpenAPI document.

The first line of the view's docstring is its summary, the rest its description. Errors that every
route has in common (the key, the query, the rate limit, faults of the server) are not declared: the
document adds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from senderkit.commands import QueryParameter
from senderkit.domain import JsonObject, Scope
from senderkit.errors import ApiError

View = TypeVar("View", bound=Callable[..., Any])

_ATTRIBUTE: Final = "operation"


class ScopeMissingError(AssertionError):
    """A /v1 route declares no scope: the application must not start."""


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A request body: `name` is a key of `commands.REQUEST_MODELS`, `example` one that works."""

    name: str
    example: JsonObject
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """One route's promise.

    `answer` is a `TypedDict` of `web.wire`, sent with `status`. `query` are the names that the
    view reads itself; a route without any refuses every query. `raises` are the errors of its own.
    With `streams_by`, a name of the query, the answer is an event stream whenever it has a value.
    `links` say what to do with the answer: operation -> where its path parameters come from.
    """

    scope: Scope
    answer: type
    status: int = 200
    body: JsonBody | None = None
    query: Mapping[str, QueryParameter] = field(default_factory=dict)
    streams_by: str | None = None
    is_idempotent_by_key: bool = False
    raises: tuple[type[ApiError], ...] = ()
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __call__(self, view: View) -> View:
        """Declare this for a view: the dataclass is used as a decorator."""
        setattr(view, _ATTRIBUTE, self)
        return view


def operation_of(view: Callable[..., Any]) -> Operation:
    """What a view declared. Raises `ScopeMissingError` when that is nothing."""
    found: Operation | None = getattr(view, _ATTRIBUTE, None)
    if found is None:
        raise ScopeMissingError(f"the view {view.__qualname__} declares no scope")
    return found
