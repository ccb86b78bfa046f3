"""What schemathesis cannot know of our API; loaded by its command line (SCHEMATHESIS_HOOKS)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from hypothesis import strategies as st


def _soon(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


# A send may be scheduled for the next thirty days; the schema can only say that it is a moment.
schemathesis.openapi.format("date-time", st.integers(3_600, 29 * 86_400).map(_soon))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """A key of its own for each call: a used one gets its first answer, whatever the body is."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= 512:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
