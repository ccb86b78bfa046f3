"""Which media types a client says it takes and sends."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from werkzeug.http import parse_options_header

_JSON_RANGES: Final = ("application/json", "application/*", "*/*")
"""What covers JSON in an `Accept` header, the most specific first: that one decides."""

_REFUSED: Final = re.compile(r"\s*q\s*=\s*0(?:\.0*)?\s*", re.IGNORECASE)


@lru_cache(maxsize=256)
def accepts_json(accept: str) -> bool:
    """Whether an `Accept` header allows JSON; an empty one allows everything."""
    if not accept.strip():
        return True
    allowed: dict[str, bool] = {}
    for item in accept.split(","):
        name, *parameters = item.split(";")
        allowed[name.strip().lower()] = not any(map(_REFUSED.fullmatch, parameters))
    return next((allowed[name] for name in _JSON_RANGES if name in allowed), False)


@lru_cache(maxsize=256)
def is_json(content_type: str) -> bool:
    """Whether a `Content-Type` header says JSON, with parameters or without."""
    return parse_options_header(content_type)[0].lower() == "application/json"
