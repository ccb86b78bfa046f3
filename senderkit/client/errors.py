"""Every error the client raises about a call, in one tree.

::

    SenderKitError
    ├── SenderKitApiError                 the server answered with an error: status, code, issues
    │   ├── AuthenticationError           401 and 403 alike, for code that does not tell them apart
    │   │   ├── SenderKitAuthenticationError  401: no key, or one that is malformed or revoked
    │   │   └── SenderKitPermissionError      403: the key is valid but lacks a scope
    │   ├── SenderKitValidationError      400 and 422: the request itself is wrong
    │   ├── SenderKitPaymentRequiredError 402: a plan limit (a self-hosted server has none)
    │   ├── SenderKitConflictError        409: the present state does not allow it
    │   └── SenderKitRateLimitError       429: too many requests; `retry_after` in seconds
    ├── SenderKitTimeoutError             no answer within the time limit
    ├── SenderKitNetworkError             no answer at all: refused, reset, cut off, unreadable
    └── SenderKitSignatureError           a webhook is not signed with this secret, or is too old

The names of the published client stand beside them as aliases: `APIError`, `ValidationError` and so
on. A wrong argument (a malformed key, an unreadable base URL) is a plain `ValueError`.
"""

from __future__ import annotations

from typing import Any, Final, TypedDict


class Issue(TypedDict):
    """One bad field: a stable `code`, the `path` to it in the body or query, and a sentence."""

    code: str
    path: list[str | int]
    message: str


class SenderKitError(Exception):
    """Base of every error that a call raises."""


class SenderKitApiError(SenderKitError):
    """The server answered with an error.

    `status` is the HTTP status, `code` the stable word for what happened (`template_not_found`;
    None when the answer was not the API's own), `issues` every bad field, `request_id` what the
    server's log knows the request by. An error that was made without a status, as task queues make
    them from a name and a text, has the usual one of its class.
    """

    usual_status = 500

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        issues: list[Issue] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = self.usual_status if status is None else status
        self.code = code
        self.issues: list[Issue] = issues or []
        self.request_id = request_id
        for note in _notes(self):
            self.add_note(note)

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword arguments do not survive pickling by themselves, and task queues pickle errors.
        return _restored, (type(self), self.args, self.__dict__.copy())


class AuthenticationError(SenderKitApiError):
    """401 or 403: the common base, and the published client's name for both."""

    usual_status = 401


class SenderKitAuthenticationError(AuthenticationError):
    """401: the key is missing, malformed, unknown or revoked."""

    usual_status = 401


class SenderKitPermissionError(AuthenticationError):
    """403: the key is valid but lacks a scope; the text names it."""

    usual_status = 403


class SenderKitValidationError(SenderKitApiError):
    """400 or 422: the request is wrong and will stay wrong; `issues` names every bad field."""

    usual_status = 400


class SenderKitPaymentRequiredError(SenderKitApiError):
    """402: a plan limit of the hosted service; a self-hosted server has none."""

    usual_status = 402


class SenderKitConflictError(SenderKitApiError):
    """409: the present state does not allow it, such as canceling what has been sent."""

    usual_status = 409


class SenderKitRateLimitError(SenderKitApiError):
    """429: too many requests.

    `retry_after` is in seconds, None without a hint; `limit` is in requests a minute, None when
    the answer does not say.
    """

    usual_status = 429

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        issues: list[Issue] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        limit: int | None = None,
    ) -> None:
        super().__init__(message, status=status, code=code, issues=issues, request_id=request_id)
        self.retry_after = retry_after
        self.limit = limit


class SenderKitTimeoutError(SenderKitError):
    """No answer within the time limit, or a wait that went on for too long."""


class SenderKitNetworkError(SenderKitError):
    """No answer: the server could not be reached, or the connection broke."""


class SenderKitSignatureError(SenderKitError):
    """A webhook that must not be believed: unsigned, wrongly signed, or too old."""


def _notes(error: SenderKitApiError) -> list[str]:
    """What a traceback shows below the message."""
    found = [f"{_dotted(issue)}: {issue.get('message', '')}" for issue in error.issues]
    words = [f"HTTP {error.status}", error.code, error.request_id and f"request {error.request_id}"]
    return [*found, ", ".join(word for word in words if word)]


def _dotted(issue: Issue) -> str:
    return ".".join(str(step) for step in issue.get("path", [])) or "(request)"


def _restored(
    kind: type[SenderKitApiError], args: tuple[Any, ...], state: dict[str, Any]
) -> SenderKitApiError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


# -- the published client's names ---------------------------------------------------------------

APIError: Final = SenderKitApiError
ValidationError: Final = SenderKitValidationError
PaymentRequiredError: Final = SenderKitPaymentRequiredError
ConflictError: Final = SenderKitConflictError
RateLimitError: Final = SenderKitRateLimitError
TimeoutError: Final = SenderKitTimeoutError  # noqa: A001 - the published client's name
NetworkError: Final = SenderKitNetworkError
SignatureVerificationError: Final = SenderKitSignatureError
