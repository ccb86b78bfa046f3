"""What schemathesis cannot know of our API; loaded by its command line (SCHEMATHESIS_HOOKS)."""

from __future__ import annotations

import os
import uuid
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core import NotSet


def _soon(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


# A send may be scheduled for the next thirty days; the schema can only say that it is a moment.
schemathesis.openapi.format("date-time", st.integers(3_600, 29 * 86_400).map(_soon))


_used_slugs = {"welcome"}
# By operation, the messages that its first cases ask for.
_ids: defaultdict[str, list[str]] = defaultdict(os.environ["MESSAGE_IDS"].split)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """What may be used once is made fresh: an Idempotency-Key, and the slug of a new template.

    Nobody publishes here, so a template is rendered by its first version unless another is asked.
    """
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= 512:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if (case.query or {}).get("tail"):  # a stream never ends
        case.query["tail"] = ""
    slug = case.body.get("slug") if isinstance(case.body, dict) else None
    if isinstance(slug, str) and slug in _used_slugs:
        case.body["slug"] = f"{slug[:60]}-{uuid.uuid4()}"
    elif isinstance(slug, str):
        _used_slugs.add(slug)
    if case.operation.label.endswith("/render"):
        _pin_version(case)
    if "/messages/" in case.operation.label and _is_fit(case) and (ids := _ids[case.method]):
        case.path_parameters["publicId"] = ids.pop()


def _is_fit(case: Any) -> bool:
    """Whether it was drawn freely and ought to be accepted."""
    meta = case.meta
    return bool(meta.phase.name == "fuzzing" and meta.generation.mode.is_positive)


def _pin_version(case: Any) -> None:
    if isinstance(case.body, NotSet):
        case.body, case.media_type = {}, "application/json"
    if isinstance(case.body, dict):
        case.body["version"] = case.body.get("version") or 1
