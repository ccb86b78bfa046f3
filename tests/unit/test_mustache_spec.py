"""The official Mustache spec: every test of its six core modules."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pytest

from senderkit.mustache import Budget, compile_template

MODULES = ("comments", "delimiters", "interpolation", "inverted", "partials", "sections")
CORE_TESTS = 136


def spec_tests() -> list[Any]:
    folder = Path(__file__).parent / "mustache-spec"
    return [
        pytest.param(test, id=f"{module}: {test['name']}")
        for module in MODULES
        for test in json.loads((folder / f"{module}.json").read_text("utf-8"))["tests"]
    ]


@pytest.mark.parametrize("test", spec_tests())
def test_the_engine_does_what_the_spec_says(test: dict[str, Any]) -> None:
    text = compile_template(test["template"]).render(
        test["data"],
        escape=html.escape,
        partials=test.get("partials", {}).get,
        budget=Budget(),
        missing={},
    )
    assert text == test["expected"], test["desc"]


def test_all_core_tests_are_here() -> None:
    assert len(spec_tests()) == CORE_TESTS
