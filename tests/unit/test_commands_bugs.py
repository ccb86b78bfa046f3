"""A fault of ours in front of a request: its traceback goes to the log, the request does not."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, RootModel, ValidationError

from senderkit import commands
from senderkit.commands import CreateKey
from senderkit.domain import Mode


def models() -> Iterator[type[BaseModel]]:
    for module in pkgutil.iter_modules(commands.__path__):
        for value in vars(importlib.import_module(f"senderkit.commands.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, BaseModel):
                yield value


def test_no_models_error_repeats_what_came_in() -> None:
    # Root models are for the OpenAPI document: no request is ever read by one.
    ours = {model for model in models() if not issubclass(model, RootModel)} - {BaseModel}

    telling = {each.__name__ for each in ours if not each.model_config.get("hide_input_in_errors")}

    assert telling == set()


def test_an_error_names_the_field_alone() -> None:
    with pytest.raises(ValidationError) as raised:
        CreateKey(name="Shop", mode=Mode.TEST, scopes="open sesame")  # type: ignore[arg-type]

    assert "scopes" in str(raised.value)
    assert "open sesame" not in str(raised.value)
