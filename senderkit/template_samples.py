"""Values to show a template with: from the examples of its declarations, else made up of names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from types import MappingProxyType
from typing import Any, Final

from senderkit.domain import JsonObject

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W_a-zA-Z0-9]+")
INDEX: Final = re.compile(r"[0-9]{1,7}")
"""A part of a name that stands for an item."""

_BY_WORD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "email": "ada@example.com",
        "mail": "ada@example.com",
        "url": "https://example.com",
        "link": "https://example.com",
        "href": "https://example.com",
        "website": "https://example.com",
        "domain": "example.com",
        "image": "https://example.com/image.png",
        "logo": "https://example.com/logo.png",
        "avatar": "https://example.com/avatar.png",
        "icon": "https://example.com/icon.png",
        "first": "Ada",
        "last": "Lovelace",
        "company": "Example Ltd",
        "organisation": "Example Ltd",
        "organization": "Example Ltd",
        "team": "Research",
        "workspace": "Example",
        "product": "Notebook",
        "item": "Notebook",
        "title": "A short title",
        "subject": "A short subject",
        "message": "A short message.",
        "comment": "Looks good to me.",
        "description": "A short description",
        "note": "A short note",
        "amount": "19.90",
        "price": "19.90",
        "total": "19.90",
        "subtotal": "16.72",
        "tax": "3.18",
        "discount": "5.00",
        "currency": "EUR",
        "date": "24 November 2026",
        "day": "Tuesday",
        "month": "November",
        "year": "2026",
        "time": "10:30",
        "hour": "10",
        "minutes": "15",
        "hours": "24",
        "days": "7",
        "expires": "24 November 2026",
        "expiry": "24 November 2026",
        "at": "24 November 2026, 10:30",
        "on": "24 November 2026",
        "code": "481 920",
        "otp": "481 920",
        "pin": "4819",
        "token": "481920",
        "count": "3",
        "quantity": "2",
        "qty": "2",
        "number": "1001",
        "no": "1001",
        "id": "1001",
        "order": "1001",
        "invoice": "2026-1001",
        "percent": "20",
        "phone": "+15550100",
        "mobile": "+15550100",
        "address": "12 Example Street",
        "street": "12 Example Street",
        "city": "London",
        "zip": "12345",
        "postcode": "12345",
        "country": "United Kingdom",
        "locale": "en",
        "language": "English",
        "plan": "Pro",
        "status": "Active",
        "role": "Admin",
        "carrier": "Example Post",
        "name": "Ada Lovelace",
        "user": "Ada Lovelace",
        "username": "ada",
        "customer": "Ada Lovelace",
        "sender": "Ada Lovelace",
        "recipient": "Ada Lovelace",
        "author": "Ada Lovelace",
    }
)
_OWN_NAME: Final = frozenset(
    [
        "first",
        "last",
        "company",
        "product",
        "item",
        "team",
        "workspace",
        "plan",
        "organisation",
        "organization",
    ]
)
"""Words before `name` that make it other than a person's whole name."""
_NUMBERS: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


def sample_values(variables: Iterable[JsonObject]) -> dict[str, Any]:
    """Values to show a template with, from the examples of its declarations.

    Names with dots become objects within each other; where an example is missing or is not of its
    type, one is made up from the name. A shorter name comes first, so that `items.name` completes
    the items of `items`; what does not fit into it is left out.
    """
    values: dict[str, Any] = {}
    for variable in sorted(variables, key=lambda each: each["name"].count(".")):
        *way, last = variable["name"].split(".")
        for holder in _holders(values, way):
            holder.setdefault(last, _sample(variable))
    return values


def _holders(values: dict[str, Any], way: Sequence[str]) -> list[dict[str, Any]]:
    """The objects at `way`, made where there are none: one, or each item of an array."""
    found = [values]
    for part in way:
        inner = [holder.setdefault(part, {}) for holder in found]
        items = [item for each in inner for item in (each if isinstance(each, list) else [each])]
        found = [item for item in items if isinstance(item, dict)]
    return found


def _sample(variable: JsonObject) -> Any:
    name, wanted, example = variable["name"], variable["type"], variable.get("example")
    if isinstance(example, str) and wanted != "string":
        example = _read(example)
    if _is_of_type(example, wanted):
        return deepcopy(example)  # other samples are put into it
    return fallback_value(name, wanted)


def _read(text: str) -> Any:
    """What a form's text says as JSON, None when it is none."""
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def _is_of_type(value: Any, wanted: str) -> bool:
    match wanted:
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, Mapping)
        case "boolean":
            return isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str | int | float)


def fallback_value(name: str, wanted: str) -> Any:
    """A value of the type `wanted` for a variable called `name` that has no example."""
    match wanted:
        case "array":
            return plain_items(name)
        case "object":
            return {}
        case "boolean":
            return True
    text = _text_for(name)
    if wanted == "string":
        return text
    number = float(text) if _NUMBERS.fullmatch(text) else 1
    return int(number) if number == int(number) else number


def _text_for(name: str) -> str:
    words = words_of(name)
    if words == ["name"] and "." in name:
        words = [*_singular(words_of(name.rpartition(".")[0])), "name"]
    if words[-1:] == ["name"] and words[-2:-1] and words[-2] in _OWN_NAME:
        return _BY_WORD[words[-2]]
    for word in reversed(words):
        if word in _BY_WORD:
            return _BY_WORD[word]
    return " ".join(words).capitalize() or "Example"


def _singular(words: list[str]) -> list[str]:
    return [*words[:-1], words[-1].removesuffix("s")] if words else []


def plain_items(name: str) -> list[str]:
    """Two items of a list called `name` of which no more is known."""
    single = " ".join(_singular(words_of(name))).capitalize() or "Item"
    return [f"{single} 1", f"{single} 2"]


def words_of(name: str) -> list[str]:
    """`["first", "name"]` of `user.firstName`: the words of its last part that is no number."""
    parts = [part for part in name.split(".") if not INDEX.fullmatch(part)]
    return [word.lower() for word in _WORD.findall(parts[-1] if parts else "")]
