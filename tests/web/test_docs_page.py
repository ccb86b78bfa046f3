"""The API reference for people says all that the document for machines says."""

from __future__ import annotations

import html
import re
import textwrap
from pathlib import Path

from senderkit import simulator
from senderkit.web.docs import _WHEN
from senderkit.web.errors import STATUSES
from tests.make import House


def test_the_reference_needs_no_key_and_no_login(empty_house: House) -> None:
    answer = empty_house.pages().get("/docs")
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"


def test_every_operation_parameter_and_field_is_on_the_page(house: House) -> None:
    page = html.unescape(house.pages().get("/docs").text)
    document = house.anonymous().get("/openapi.json").json
    assert document is not None
    for path, methods in document["paths"].items():
        assert f"<code>{path}</code>" in page
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
            for parameter in operation["parameters"]:
                assert f"<code>{parameter['name']}</code>" in page
    for name in ("TemplateSendBody", "RawEmailSendBody", "Message", "FullVersion"):
        for field in document["components"]["schemas"][name]["properties"]:
            assert f"<code>{field}</code>" in page, (name, field)


def test_every_error_is_explained() -> None:
    explained = {kind for kind, _ in _WHEN}
    assert {kind for kind, _ in STATUSES} - explained == set()


def test_every_forced_outcome_is_named(house: House) -> None:
    page = house.pages().get("/docs").text
    for _, *recipients in simulator.FORCED:
        assert [recipient for recipient in recipients if recipient not in page] == []


def test_what_a_browser_needs_for_web_push_is_told_as_in_the_document(house: House) -> None:
    page = html.unescape(house.pages().get("/docs").text)
    document = (Path(__file__).parents[2] / "docs/web-push.md").read_text("utf-8")
    programs = re.findall(r" *```js\n(.*?)```", document, re.DOTALL)
    assert len(programs) == 2
    for program in programs:
        assert textwrap.dedent(program).strip() in page


def test_the_contents_lead_to_what_is_there(house: House) -> None:
    page = house.pages().get("/docs").text
    wanted = set(re.findall(r'href="#([^"]+)"', page))
    assert len(wanted) > 15
    assert wanted - set(re.findall(r'id="([^"]+)"', page)) == set()
