"""Every example in the client's docstrings runs against a real server; every method has one."""

from __future__ import annotations

import asyncio
import doctest
import importlib
import inspect
import pkgutil
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any, Final

import pytest

import senderkit.client
from senderkit.client import AsyncSenderKit, SenderKit
from senderkit.client.resources import (
    AsyncMessages,
    AsyncTemplates,
    Messages,
    Templates,
)
from senderkit.client.webhooks import WebhookVerifier

PAIRS: Final[tuple[tuple[type, type], ...]] = (
    (SenderKit, AsyncSenderKit),
    (Messages, AsyncMessages),
    (Templates, AsyncTemplates),
)


def modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(senderkit.client.__path__, "senderkit.client.")
    names = [module.name for module in found if ".integrations" not in module.name]
    return [importlib.import_module(name) for name in ("senderkit.client", *names)]


def names_at_hand(sk: SenderKit) -> dict[str, Any]:
    """What an example may use without importing it."""
    public = {name: getattr(senderkit.client, name) for name in senderkit.client.__all__}
    more = {"asyncio": asyncio, "datetime": datetime, "timedelta": timedelta, "UTC": UTC}
    return public | more | {"sk": sk}


@pytest.mark.usefixtures("client_environment")
def test_every_example_runs(sk: SenderKit) -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner()
    for module in modules():
        for test in finder.find(module, extraglobs=names_at_hand(sk)):
            runner.run(test)

    assert runner.summarize(verbose=False) == (0, runner.tries)
    assert runner.tries > 40


def public_methods(kind: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"]


@pytest.mark.parametrize("kind", [SenderKit, Messages, Templates, WebhookVerifier])
def test_every_method_has_an_example(kind: type) -> None:
    names = [name for name in public_methods(kind) if name != "close"]

    assert [name for name in names if ">>>" not in (getattr(kind, name).__doc__ or "")] == []


@pytest.mark.parametrize(("plain", "awaited"), PAIRS)
def test_both_clients_take_the_same_arguments(plain: type, awaited: type) -> None:
    names = [name for name in public_methods(plain) if name != "close"]

    for name in ("__init__", *names):
        ours = inspect.signature(getattr(plain, name)).parameters
        theirs = inspect.signature(getattr(awaited, name)).parameters
        assert list(ours) == list(theirs), name
        assert [p.default for p in ours.values()] == [p.default for p in theirs.values()], name
