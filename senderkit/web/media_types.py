"""Which media types a client says it takes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

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
