"""The tree of errors: as drawn, with stable codes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

from senderkit import errors
from senderkit.errors import ApiError, Issue, SenderKitError

CODES = {
    "ApiError": "internal_error",
    "InvalidRequest": "invalid_request",
    "EnvelopeNotSupported": "envelope_not_supported",
    "ChannelMismatch": "channel_mismatch",
    "ProviderNotConfigured": "provider_not_configured",
    "Unauthorized": "unauthorized",
    "InsufficientScope": "insufficient_scope",
    "NotFound": "not_found",
    "TemplateNotFound": "template_not_found",
    "TemplateNotPublished": "template_not_published",
    "VersionNotFound": "version_not_found",
    "MethodNotAllowed": "method_not_allowed",
    "NotAcceptable": "not_acceptable",
    "PayloadTooLarge": "payload_too_large",
    "UnsupportedMediaType": "unsupported_media_type",
    "NotCancelable": "not_cancelable",
    "SlugTaken": "slug_taken",
    "TemplateArchived": "template_archived",
    "RateLimited": "rate_limited",
    "TooManyStreams": "rate_limited",
    "StreamsNotServed": "not_implemented",
    "ServiceUnavailable": "unavailable",
}
"""What callers branch on: a change here breaks somebody's program."""


def tree(kind: type[SenderKitError], depth: int = 0) -> Iterator[tuple[int, str]]:
    yield depth, kind.__name__
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child, depth + 1)


def drawn() -> list[tuple[int, str]]:
    """The tree of the docstring, line by line."""
    lines = inspect.getdoc(errors) or ""
    found = re.findall(r"^    ([│├└─ ]*)([A-Z]\w+)", lines, re.MULTILINE)
    return [(len(branches) // 4, name) for branches, name in found]


def test_the_drawn_tree_is_the_real_one() -> None:
    assert sorted(drawn()) == sorted(tree(SenderKitError))


def test_every_answered_error_has_its_stable_code() -> None:
    def kinds(kind: type[ApiError]) -> Iterator[type[ApiError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from kinds(child)

    ours = [kind for kind in kinds(ApiError) if kind.__module__ == errors.__name__]
    assert {kind.__name__: kind.code for kind in ours} == CODES


def test_all_problems_of_the_settings_are_in_the_text() -> None:
    error = errors.SettingsError(["One is wrong.", "Two is wrong."])

    assert error.problems == ("One is wrong.", "Two is wrong.")
    assert str(error) == "One is wrong.\nTwo is wrong."


def test_a_bad_request_keeps_every_issue() -> None:
    issues = [Issue("required", ("to",), "This field is required."), Issue("x", ("a", 0), "y")]

    assert errors.InvalidRequest("Two are wrong.", issues).issues == tuple(issues)


@pytest.mark.parametrize("is_given", [True, False])
def test_no_answer_tells_an_unknown_key_from_a_missing_one(is_given: bool) -> None:
    error = errors.Unauthorized(token_given=is_given)

    assert error.message == errors.Unauthorized(token_given=not is_given).message


def test_a_syntax_error_says_where() -> None:
    error = errors.TemplateSyntaxError("This section is never closed.", line=3, column=7)

    assert str(error) == "This section is never closed. (line 3, column 7)"
