"""Visits every page that links lead to, from the overview and a list of failures on.

A frame is seen within its page.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from tests.browser.visitor import Visitor

_ID: Final = re.compile(
    r"\b(?:msg|key|tpl|mem|whe|whd|thm)_[0-9a-z]{26}\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b\d+\b"
)
_STARTS: Final = ("/", "/messages?status=failed", "/messages/resend?status=failed")
"""Where to begin: some pages are shown for some lists only."""
_ASSETS: Final = ("/static/", "/openapi.json")


def crawl(visitor: Visitor, *, alike: int, below: str = "/") -> Iterator[str]:
    """Each page's path while it is open, if it begins with `below`.

    Of pages that differ in ids only, `alike`; of those that differ in their query only, a fifth of
    that: they show the same rows in another choice.
    """
    waiting = list(_STARTS)
    seen: set[str] = set(waiting)
    visits: Counter[str] = Counter()
    while waiting:
        path = waiting.pop(0)
        kind = _kind(path)
        visits[kind] += 1
        if visits[kind] > (alike if "#" in kind else math.ceil(alike / 5)):
            continue
        status = visitor.go(path)
        assert status == 200, f"{path} answers {status}"
        yield path
        for found in _links(visitor):
            if found not in seen and found.startswith(below):
                seen.add(found)
                waiting.append(found)


def _kind(path: str) -> str:
    return _ID.sub("#", urlsplit(path).path)


def _links(visitor: Visitor) -> list[str]:
    # Not `link.href`: of a link within a drawing that is no text.
    hrefs: list[str] = visitor.page.evaluate(
        "[...document.querySelectorAll('a[href]:not([download])')]"
        ".map(link => new URL(link.getAttribute('href'), document.baseURI).href)"
    )
    paths = (
        href.removeprefix(visitor.url).partition("#")[0]
        for href in hrefs
        if href.startswith(f"{visitor.url}/")
    )
    return [path for path in paths if not path.startswith(_ASSETS)]
