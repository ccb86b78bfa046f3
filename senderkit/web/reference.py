"""The OpenAPI document for people: groups of operations with flat lists of fields.

Pure: nothing is known here that the document does not say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = Mapping[str, Any]

_MOST_DEPTH: Final = 3
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field: `name` is its path from the top of the body (`content.subject`)."""

    name: str
    type: str
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Shape:
    """One form that a body may take."""

    title: str
    fields: tuple[FieldRow, ...]


@dataclass(frozen=True, slots=True)
class OperationPart:
    """One operation of the page."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    parameters: tuple[FieldRow, ...]
    bodies: tuple[Shape, ...]
    answers: tuple[Shape, ...]
    curl: str
    statuses: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Operations about one subject."""

    title: str
    description: str
    operations: tuple[OperationPart, ...]


def groups_of(document: Json) -> list[Group]:
    """The groups in the order of the document's tags."""
    parts = list(_operations(document))
    return [
        Group(
            tag["name"],
            tag["description"],
            tuple(part for name, part in parts if name == tag["name"]),
        )
        for tag in document["tags"]
    ]


def _operations(document: Json) -> Iterator[tuple[str, OperationPart]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield operation["tags"][0], _operation(document, path, method.upper(), operation)


def _operation(document: Json, path: str, method: str, operation: Json) -> OperationPart:
    body = operation.get("requestBody", {}).get("content", {}).get(_JSON)
    answer = next(
        answer["content"][_JSON]["schema"]
        for status, answer in operation["responses"].items()
        if status.startswith("2")
    )
    return OperationPart(
        id=operation["operationId"],
        method=method,
        path=path,
        summary=operation["summary"],
        description=operation["description"].partition("Needs the scope")[0].strip(),
        scope=operation["x-senderkit-scope"],
        parameters=tuple(_parameters(document, operation["parameters"])),
        bodies=tuple(_shapes(document, body["schema"])) if body else (),
        answers=tuple(_shapes(document, answer)),
        curl=_curl(document, path, method, body),
        statuses=tuple(_statuses(document, operation["responses"])),
    )


def _parameters(document: Json, parameters: Iterable[Json]) -> Iterator[FieldRow]:
    for parameter in parameters:
        schema = _resolved(document, parameter["schema"])
        kind = f"{_type(document, schema)}, in the {parameter['in']}"
        is_required = bool(parameter.get("required"))
        description = parameter.get("description") or schema.get("description", "")
        yield FieldRow(parameter["name"], kind, is_required, description)


def _statuses(document: Json, responses: Json) -> Iterator[tuple[str, str]]:
    for status, response in sorted(responses.items()):
        found = _resolved(document, response)
        yield status, found["description"].replace("`", "")


def _curl(document: Json, path: str, method: str, body: Json | None) -> str:
    url = document["servers"][0]["url"]
    shown = path.replace("{publicId}", "MESSAGE_ID").replace("{slug}", "welcome")
    parts = [f"curl {url}{shown.replace('{number}', '1')}"]
    if method not in {"GET", "POST"} or (method == "POST" and body is None):
        parts[0] = f"curl -X {method} {url}{shown}"
    parts.append('-H "Authorization: Bearer $SENDERKIT_API_KEY"')
    if body is not None:
        parts.append('-H "Content-Type: application/json"')
        parts.append(f"-d '{json.dumps(body['example'], ensure_ascii=False)}'")
    return " \\\n  ".join(parts)


# -- schemas --------------------------------------------------------------------------------------


def _resolved(document: Json, schema: Json) -> Json:
    """What a reference stands for, and the one real choice of `X or null`."""
    if "$ref" in schema:
        found: Json = document
        for name in schema["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return _resolved(document, found)
    choices = [choice for choice in _choices(schema) if choice.get("type") != "null"]
    if len(choices) == 1:
        return {**_resolved(document, choices[0]), **_words(schema)}
    return schema


def _words(schema: Json) -> Json:
    return {name: schema[name] for name in ("description", "examples") if name in schema}


def _choices(schema: Json) -> list[Json]:
    found: list[Json] = schema.get("anyOf") or schema.get("oneOf") or []
    return found


def _shapes(document: Json, schema: Json) -> Iterator[Shape]:
    """The objects that a schema allows, each by itself."""
    found = _resolved(document, schema)
    if "properties" in found:
        yield Shape(found.get("description", ""), tuple(_fields(document, found, "", 0)))
        return
    for choice in _choices(found):
        yield from _shapes(document, choice)


def _fields(document: Json, schema: Json, prefix: str, depth: int) -> Iterator[FieldRow]:
    required = set(schema.get("required", ()))
    for name, of_name in schema.get("properties", {}).items():
        found = _resolved(document, of_name)
        path = f"{prefix}{name}"
        yield FieldRow(path, _type(document, found), name in required, _description(found))
        if depth < _MOST_DEPTH:
            yield from _below(document, found, path, depth + 1)


def _below(document: Json, schema: Json, path: str, depth: int) -> Iterator[FieldRow]:
    if "properties" in schema:
        yield from _fields(document, schema, f"{path}.", depth)
    elif schema.get("type") == "array":
        item = _resolved(document, schema.get("items", {}))
        yield from _fields(document, item, f"{path}[].", depth)


def _description(schema: Json) -> str:
    text: str = schema.get("description", "")
    if "enum" in schema:
        text = f"{text} One of {', '.join(str(value) for value in schema['enum'] if value)}."
    if schema.get("examples") and not isinstance(schema["examples"][0], dict | list):
        text = f"{text} For example {schema['examples'][0]}"
    return text.strip()


def _type(document: Json, schema: Json) -> str:
    if "const" in schema:
        return f"always {schema['const']}"
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_type(document, _resolved(document, schema.get('items', {})))}"
    if kind is None:
        kinds = {_type(document, _resolved(document, choice)) for choice in _choices(schema)}
        return " or ".join(sorted(kinds)) or "any"
    named = " or ".join(name for name in kind if name != "null") if isinstance(kind, list) else kind
    return f"{named}, date and time" if schema.get("format") == "date-time" else str(named)
