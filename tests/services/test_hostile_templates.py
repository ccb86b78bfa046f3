"""Templates, blocks and values that would take for ever or all memory: each ends within its limits
with a clear error, when rendered over the API and when sent, and harms no neighbour."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from senderkit.domain import Channel
from senderkit.errors import TemplateError
from senderkit.rendering import Surroundings, compile_content
from senderkit.themes import Theme
from tests.make import House, email_content

HOSTILE_SECONDS = 4.0
"""Of one thread: far above what any case takes, far below what an unbounded one takes."""
HOSTILE_BYTES = 100_000_000

MANY = list(range(1_000_000))

FAN_OUT = {f"b{level}": f"{{{{> b{level + 1}}}}}" * 10 for level in range(19)} | {"b19": "x"}
"""Each of 19 blocks brings the next one along ten times: 10^19 of the last."""
IN_A_RING = {"a": "{{> b}}{{> b}}", "b": "{{> a}}{{> a}}"}

Case = tuple[str, dict[str, Any], dict[str, str]]

CASES: dict[str, Case] = {
    "sections within sections": ("{{#a}}" * 6 + "x" + "{{/a}}" * 6, {"a": list(range(40))}, {}),
    "a million items": ("{{#a}}{{.}}{{/a}}", {"a": MANY}, {}),
    "a million items unseen": ("{{#a}}{{/a}}", {"a": MANY}, {}),
    "a million items printed": ("{{a}}" * 200, {"a": MANY}, {}),
    "a long text a thousand times": ("{{a}}" * 1_000, {"a": "x" * 500_000}, {}),
    "escapes that grow": ("{{a}}", {"a": "'" * 900_000}, {}),
    "missing names in a deep place": (
        "{{#a}}" + "{{b.c}}" * 9_000 + "{{/a}}",
        {"a": MANY[:99]},
        {},
    ),
    "blocks that fan out": ("{{> b0}}", {}, FAN_OUT),
    "blocks that fan out to nothing": ("{{> b0}}", {}, FAN_OUT | {"b19": ""}),
    "blocks in a ring": ("{{> a}}", {}, IN_A_RING),
    "a large block a thousand times": ("  {{> a}}\n" * 1_000, {}, {"a": "y\n" * 90_000}),
    "a block with another indent each": (
        "".join(" " * n + "{{> a}}\n" for n in range(400)),
        {},
        {"a": "{{x}}\n" * 9_000},
    ),
    "a block that is no template": ("{{> a}}", {}, {"a": "{{#a}}"}),
}


@contextmanager
def within_limits() -> Iterator[None]:
    tracemalloc.start()
    began_at = time.thread_time()
    try:
        yield
        taken, (_, peak) = time.thread_time() - began_at, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Tracing makes everything some times slower.
    assert taken < 5 * HOSTILE_SECONDS
    assert peak < HOSTILE_BYTES


@pytest.mark.parametrize("name", CASES)
def test_it_ends_within_its_limits_with_a_clear_error(name: str) -> None:
    html, variables, blocks = CASES[name]
    compiled = compile_content(Channel.EMAIL, {"subject": "S", "html": html})
    with within_limits(), pytest.raises(TemplateError) as caught:
        compiled.render(variables, Surroundings(blocks.get, Theme()))
    assert str(caught.value).startswith(
        ("Rendering takes", "The output is", "Block '", "A value is")
    )


QUIET: dict[str, str] = {
    "unclosed formatting": "<b><i><u>" * 60_000,
    "deep tables": "<table><tr><td>" * 20_000,
    "many rules": "<style>" + "p,a,b{color:red}" * 10_000 + "</style>" + "<p>x</p>" * 2_000,
    "leaving the style sheet": "</style></head></body></html><style>*{all:unset}</style>x",
    "a style that never ends": "<style>" * 20_000 + "x",
    "comments that never end": "<!--" * 100_000,
    "attributes": "<p " + " ".join(f"a{n}=x" for n in range(50_000)) + ">x",
}
"""No more than text for a template: these are dressed as far as that is cheap."""


@pytest.mark.parametrize("name", QUIET)
def test_hostile_html_is_dressed_within_its_limits(name: str) -> None:
    compiled = compile_content(Channel.EMAIL, {"subject": "S", "html": QUIET[name]})
    began_at = time.thread_time()
    compiled.render({}, Surroundings(theme=Theme(follows_dark=True)))
    assert time.thread_time() - began_at < HOSTILE_SECONDS


# -- as a send and over the API ---------------------------------------------------------------


def _store_blocks(house: House, blocks: dict[str, str]) -> None:
    """Behind the back of what refuses them."""
    for id_, (name, content) in enumerate(blocks.items(), 1):
        house.write(
            "INSERT INTO blocks (id, public_id, workspace_id, name, created_at, updated_at) "
            "SELECT :id, :public_id, id, :name, created_at, created_at FROM workspaces",
            id=id_,
            public_id=f"blk_{id_}",
            name=name,
        )
        house.write(
            "INSERT INTO block_versions (id, block_id, number, content, created_at) "
            "SELECT :id, :id, 1, :content, created_at FROM workspaces",
            id=id_,
            content=content,
        )
    house.write("UPDATE blocks SET current_version_id = id")


SENT: dict[str, tuple[str, dict[str, Any], dict[str, str], str]] = {
    "loops": ("{{#a}}" * 6 + "x" + "{{/a}}" * 6, {"a": list(range(40))}, {}, "operations"),
    "output": ("{{a}}" * 1_000, {"a": "x" * 50_000}, {}, "larger than 1,000,000 bytes"),
    "fan-out": ("{{> b0}}", {}, FAN_OUT, "operations"),
    "ring": ("{{> a}}", {}, IN_A_RING, "does it include itself?"),
}


@pytest.mark.parametrize("name", SENT)
def test_a_hostile_message_fails_in_words_and_its_neighbours_arrive(
    house: House, name: str
) -> None:
    html, variables, blocks, words = SENT[name]
    house.template("hostile", content=email_content(html=html))
    house.template("welcome")
    _store_blocks(house, blocks)
    api = house.api()
    before = api.send(template="welcome", to="ada@example.com")
    hostile = api.send(template="hostile", to="ada@example.com", vars=variables)
    after = api.send(template="welcome", to="ada@example.com")

    began_at = time.thread_time()
    house.deliver()

    assert time.thread_time() - began_at < HOSTILE_SECONDS
    failed = api.message(hostile)
    assert failed["status"] == "failed"
    assert failed["error"].startswith("The template cannot be rendered: ")
    assert words in failed["error"]
    assert [api.message(id_)["status"] for id_ in (before, after)] == ["delivered", "delivered"]
    answer = api.post("/v1/templates/hostile/render", {"vars": variables})
    assert answer.status_code == 400
    assert words in answer.text
