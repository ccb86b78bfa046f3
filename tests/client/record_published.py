"""Writes down the names and arguments of the published Python client, as JSON on standard output.

Run by an interpreter that has that client and not this package, from any folder:

    python -P record_published.py >published_0_3_0.json

`test_published.py` holds our client against what it wrote. Names and arguments only.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from typing import Any

MODULES = [
    "",
    "client",
    "errors",
    "models",
    "resources",
    "resources.inbound",
    "resources.messages",
    "resources.templates",
    "webhooks",
    "integrations.celery",
    "integrations.django",
    "integrations.django.backends",
    "integrations.django.client",
    "integrations.django.views",
    "integrations.fastapi",
    "integrations.flask",
]


MARKS = {"KEYWORD_ONLY": "*", "VAR_POSITIONAL": "*args ", "VAR_KEYWORD": "**"}


def parameters(thing: Any) -> list[str] | None:
    """`["to", "*vars="]`: `*` for those given by name only, `=` for those that may be left out."""
    try:
        found = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return None
    return [
        f"{MARKS.get(p.kind.name, '')}{p.name}{'' if p.default is p.empty else '='}" for p in found
    ]


def described(thing: Any) -> Any:
    """Of a class the arguments it is made with and those of its methods; of a function its own."""
    if inspect.isclass(thing):
        methods = {
            name: parameters(member)
            for name, member in inspect.getmembers(thing, callable)
            if not name.startswith("_") and name in vars(thing)
        }
        return {"arguments": parameters(thing), "methods": methods}
    return {"arguments": parameters(thing)} if callable(thing) else {}


def public_names(module: Any) -> list[str]:
    own = getattr(module, "__all__", None)
    if own is not None:
        return sorted(own)
    return sorted(
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and is_of(module, name, thing)
    )


def is_of(module: Any, name: str, thing: Any) -> bool:
    """Whether the module itself defines it."""
    if name.isupper():
        return f"\n{name}" in inspect.getsource(module)
    return bool(getattr(thing, "__module__", None) == module.__name__)


def main() -> None:
    lines = []
    for name in MODULES:
        module = importlib.import_module(f"senderkit.{name}".rstrip("."))
        for each in public_names(module):
            key = f"{name}:{each}"
            lines.append(f"{json.dumps(key)}: {json.dumps(described(getattr(module, each)))}")
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
