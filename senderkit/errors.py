"""Every error this package raises on purpose, in one tree.

::

    SenderKitError
    ├── SettingsError                 the environment is wrong; the process refuses to start
    ├── ApiError                      answered to a caller; `code` is the wire's snake_case word
    │   ├── InvalidRequest            invalid_request, with every issue at once
    │   │   ├── EnvelopeNotSupported  envelope_not_supported
    │   │   ├── ChannelMismatch       channel_mismatch
    │   │   └── ProviderNotConfigured provider_not_configured
    │   ├── Unauthorized              unauthorized
    │   ├── InsufficientScope         insufficient_scope
    │   ├── NotFound                  not_found
    │   │   ├── TemplateNotFound      template_not_found
    │   │   ├── TemplateNotPublished  template_not_published
    │   │   └── VersionNotFound       version_not_found
    │   ├── MethodNotAllowed          method_not_allowed
    │   ├── NotAcceptable             not_acceptable
    │   ├── PayloadTooLarge           payload_too_large
    │   ├── UnsupportedMediaType      unsupported_media_type
    │   ├── NotCancelable             not_cancelable
    │   ├── SlugTaken                 slug_taken
    │   ├── TemplateArchived          template_archived
    │   ├── RateLimited               rate_limited
    │   │   └── TooManyStreams        rate_limited, for streams that are open at the same time
    │   ├── StreamsNotServed          not_implemented: the server in front is not ours
    │   └── ServiceUnavailable        unavailable
    ├── TemplateError                 a template cannot be parsed or rendered
    │   ├── TemplateSyntaxError       with line and column
    │   └── TemplateLimitExceeded     output, operations or depth past the limit
    ├── DeliveryError                 what a provider adapter may raise from `send`
    │   ├── Unavailable               transient: try again, after `retry_after_seconds` if given
    │   │   └── NotMade               the call was not made, for a reason of our own
    │   ├── Refused                   for good: this message will never be accepted
    │   ├── Suppressed                the provider will not send to this recipient
    │   ├── AccountBroken             our credentials or set-up are wrong: hold, tell the team
    │   │   └── DestinationRefused    the address to call is not one that this server calls
    │   ├── OutcomeUnknown            the reply was lost after the body left
    │   └── Unsupported               this provider cannot say what the message asks for
    ├── CallbackRefused               a provider's call to us does not prove where it comes from
    ├── ReportedTooEarly              a provider's report came before our own call had ended
    └── SealBroken                    a sealed credential does not open with any known key

The HTTP status of an `ApiError` is decided in `senderkit.web.errors`, nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SenderKitError(Exception):
    """Base of every error this package raises on purpose."""


class SettingsError(SenderKitError):
    """The environment holds wrong settings.

    `problems` holds one sentence for each, so that an operator mends all of them in one go.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


# -- answered to a caller ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Issue:
    """One bad field: a stable `code`, the `path` to it in the body or query, and a sentence."""

    code: str
    path: tuple[str | int, ...]
    message: str


class ApiError(SenderKitError):
    """An error that a caller sees. `code` is stable; `message` is for people."""

    code = "internal_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(ApiError):
    """The request is not well-formed; `issues` names every bad field at once."""

    code = "invalid_request"

    def __init__(self, message: str, issues: Sequence[Issue] = ()) -> None:
        super().__init__(message)
        self.issues = tuple(issues)


class EnvelopeNotSupported(InvalidRequest):
    code = "envelope_not_supported"


class ChannelMismatch(InvalidRequest):
    code = "channel_mismatch"


class ProviderNotConfigured(InvalidRequest):
    code = "provider_not_configured"


class Unauthorized(ApiError):
    """No key, or one that is malformed, unknown or revoked: one message for all of them.

    `token_given` says whether a token was presented, for the `WWW-Authenticate` header.
    """

    code = "unauthorized"

    def __init__(self, *, token_given: bool) -> None:
        super().__init__(
            "A valid API key is required: send it as 'Authorization: Bearer <key>'. "
            "This request has none, or one that is malformed, unknown or revoked."
        )
        self.token_given = token_given


class InsufficientScope(ApiError):
    """The key is valid but lacks the scope named in `scope`."""

    code = "insufficient_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This API key is valid but lacks the '{scope}' scope.")
        self.scope = scope


class NotFound(ApiError):
    code = "not_found"


class TemplateNotFound(NotFound):
    code = "template_not_found"


class TemplateNotPublished(NotFound):
    code = "template_not_published"


class VersionNotFound(NotFound):
    code = "version_not_found"


class MethodNotAllowed(ApiError):
    code = "method_not_allowed"


class NotAcceptable(ApiError):
    code = "not_acceptable"


class PayloadTooLarge(ApiError):
    code = "payload_too_large"


class UnsupportedMediaType(ApiError):
    code = "unsupported_media_type"


class NotCancelable(ApiError):
    code = "not_cancelable"


class SlugTaken(ApiError):
    code = "slug_taken"


class TemplateArchived(ApiError):
    code = "template_archived"


class RateLimited(ApiError):
    """Too many requests. `limit` is in requests a minute, `retry_after_seconds` is 1 to 60."""

    code = "rate_limited"

    def __init__(self, *, limit: int, retry_after_seconds: int) -> None:
        super().__init__(f"Too many requests: this key may make {limit} a minute.")
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds


class TooManyStreams(RateLimited):
    """This key or person has `limit` streams open already."""

    def __init__(self, *, limit: int, retry_after_seconds: int) -> None:
        super().__init__(limit=limit, retry_after_seconds=retry_after_seconds)
        self.message = f"Too many streams: this key may have {limit} open at the same time."


class StreamsNotServed(ApiError):
    """Messages can be followed only where the server in front is our own."""

    code = "not_implemented"

    def __init__(self) -> None:
        super().__init__(
            "Messages cannot be followed here: streams need the server that 'senderkit serve' "
            "starts. List them without 'tail' instead."
        )


class ServiceUnavailable(ApiError):
    """The database cannot be reached, is read-only, or did not answer in time."""

    code = "unavailable"

    def __init__(
        self, message: str = "The service cannot store anything right now. Try again."
    ) -> None:
        super().__init__(message)


# -- templates --------------------------------------------------------------------------------


class TemplateError(SenderKitError):
    """A template cannot be parsed or rendered."""


class TemplateSyntaxError(TemplateError):
    """A template cannot be parsed. `line` and `column` count from 1."""

    def __init__(self, message: str, *, line: int, column: int) -> None:
        super().__init__(f"{message} (line {line}, column {column})")
        self.line = line
        self.column = column


class TemplateLimitExceeded(TemplateError):
    """Rendering went past a limit (output, operations, depth); the text says which."""


# -- delivery ---------------------------------------------------------------------------------


class DeliveryError(SenderKitError):
    """What an adapter's `send` may raise. The text is shown to people: no secret in it."""


class Unavailable(DeliveryError):
    """A transient fault: nothing was accepted and a later try may succeed.

    `retry_after_seconds` is the provider's own hint, when it gave one.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class NotMade(Unavailable):
    """The call was not made, for a reason of our own: it says nothing about the provider."""


class Refused(DeliveryError):
    """Refused for good: bad recipient or rejected content."""


class Suppressed(DeliveryError):
    """The provider keeps this recipient on its own suppression list."""


class AccountBroken(DeliveryError):
    """Our credentials or configuration are wrong; the message itself may be fine."""


class DestinationRefused(AccountBroken):
    """The address to call is malformed, or leads to a machine that is nobody's public host.

    A connection with such an address is broken until somebody mends it. Where the address came
    with the message (a push subscription) the adapter turns this into `Refused`.
    """


class OutcomeUnknown(DeliveryError):
    """The reply was lost after the body had left: the message may have been accepted."""


class Unsupported(DeliveryError):
    """The provider cannot express something that this message asks for."""


class CallbackRefused(SenderKitError):
    """A call of a provider has no signature or secret, or a wrong or stale one: answered 401."""


class ReportedTooEarly(SenderKitError):
    """A provider reports on what may be a message still under way: it shall say it again."""


class SealBroken(SenderKitError):
    """A sealed credential does not open with any of the known encryption keys."""
