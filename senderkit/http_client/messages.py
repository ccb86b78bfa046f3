"""What goes out and what comes back: plain values, made and read without any network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, Final, Self

import httpx2

from senderkit.domain import JsonObject

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_SECONDS: Final = re.compile(r"[0-9]{1,9}")

Pairs = Iterable[tuple[str, str]]
"""Names and values in order; a name may come several times."""


@dataclass(frozen=True, slots=True)
class FormFile:
    """One file of a multipart form; `name` is the form's field."""

    name: str
    filename: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """One call to another server: its exact bytes, apart from the headers that every call has.

    `headers` may not name those (`Host`, `User-Agent`, `Content-Length`, …). `http2` offers
    HTTP/2 to the server and speaks HTTP/1.1 where it does not take it. `only_asks` marks a POST
    that changes nothing over there, such as a question with a body. With `status_is_enough` an
    answer counts from its status on, whether or not the rest of it ever comes.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    http2: bool = False
    only_asks: bool = False
    status_is_enough: bool = False

    @property
    def changes_nothing(self) -> bool:
        """Whether it only reads, so that doing it twice does no harm."""
        return self.only_asks or self.method in {"GET", "HEAD"}

    @classmethod
    def post_json(cls, url: str, payload: Any, headers: Mapping[str, str] = _NO_HEADERS) -> Self:
        """The payload as JSON in ASCII. Raises `ValueError` for a number JSON cannot say."""
        body = json.dumps(payload, separators=(",", ":"), allow_nan=False).encode("ascii")
        return cls("POST", url, {"Content-Type": "application/json", **headers}, body)

    @classmethod
    def post_form(cls, url: str, fields: Pairs, headers: Mapping[str, str] = _NO_HEADERS) -> Self:
        """The fields as `application/x-www-form-urlencoded`, in UTF-8."""
        body = str(httpx2.QueryParams(list(fields))).encode("ascii")
        content_type = {"Content-Type": "application/x-www-form-urlencoded"}
        return cls("POST", url, {**content_type, **headers}, body)

    @classmethod
    def post_multipart(
        cls,
        url: str,
        fields: Pairs,
        files: Sequence[FormFile],
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> Self:
        """The fields, then the files, as `multipart/form-data`; names are escaped by the library.

        Raises `ValueError` for a content type that would break out of its header.
        """
        parts: list[Any] = [(name, (None, value)) for name, value in fields]
        parts += [(f.name, (f.filename, f.content, f.content_type)) for f in files]
        form = httpx2.Request("POST", "https://form.invalid", files=parts)
        content_type = {"Content-Type": form.headers["Content-Type"]}
        return cls("POST", url, {**content_type, **headers}, form.read())


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered; `headers` by lower-case name, one that came twice joined by commas.

    `is_whole` is false when the body was cut: at the size limit, or because the rest of it never
    came, on an answer that is no success or whose status is enough.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    is_whole: bool = True

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def find_json(self) -> Any:
        """The body as JSON, or None when it is none; HTML, half a body and nonsense are none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def json_object(self) -> JsonObject:
        """The body as a JSON object, empty when it is anything else."""
        value = self.find_json()
        return value if isinstance(value, dict) else {}

    def text(self) -> str:
        """The body as UTF-8, with a sign for whatever is not. Made to be cut before it is shown."""
        return self.body.decode("utf-8", "replace")

    def find_retry_after_seconds(self, now: datetime) -> float | None:
        """Seconds the server asks us to wait, from `Retry-After`, or None without a usable one.

        It may be a number of seconds or a date; a date in the past means at once.
        """
        value = self.headers.get("retry-after", "").strip()
        if _SECONDS.fullmatch(value):
            return float(value)
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (aware - now).total_seconds())
