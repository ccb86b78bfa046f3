"""What every command of a client begins and ends with: its key, its server, its errors.

Imports `senderkit.client` and click, and nothing of the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, TypeVar

import click

from senderkit.cli import stored
from senderkit.client import SenderKit
from senderkit.client.configuration import find_setting
from senderkit.client.errors import (
    Issue,
    SenderKitApiError,
    SenderKitAuthenticationError,
    SenderKitError,
    SenderKitNetworkError,
    SenderKitPermissionError,
    SenderKitRateLimitError,
    SenderKitValidationError,
)

R = TypeVar("R")

_WHERE: Final = (
    "Does it run, and is the address right? It comes from --base-url, SENDERKIT_BASE_URL or "
    "'senderkit config set baseUrl ADDRESS'."
)


@dataclass(frozen=True)
class Access:
    """The key and the server of one command, and where the key came from, for people."""

    api_key: str
    base_url: str | None
    key_source: str

    def open(self, **more: Any) -> SenderKit:
        """A client; raises `ClickException` for a key or an address that makes no sense."""
        try:
            return SenderKit(self.api_key, base_url=self.base_url, **more)
        except ValueError as error:
            raise click.ClickException(f"{error} ({self.key_source}).") from error


def find_access(api_key: str | None, base_url: str | None) -> Access:
    """Options first, then the environment, then what `login` kept.

    Raises `ClickException` when there is no key anywhere.
    """
    kept = stored.read()
    address = base_url or find_setting("BASE_URL") or kept.get("baseUrl")
    sources = (
        (api_key, "the key of --api-key"),
        (find_setting("API_KEY"), "the key of SENDERKIT_API_KEY"),
        (kept.get("apiKey"), f"the key in {stored.path()}"),
    )
    for key, source in sources:
        if key:
            return Access(key, address, source)
    raise click.ClickException("no API key: run 'senderkit login', or set SENDERKIT_API_KEY.")


# -- options ------------------------------------------------------------------------------------

base_url_option = click.option(
    "--base-url",
    metavar="ADDRESS",
    help="The server. Else SENDERKIT_BASE_URL, else what 'login' kept, else this machine.",
)
_api_key_option = click.option(
    "--api-key",
    metavar="KEY",
    help="Else SENDERKIT_API_KEY, else what 'login' kept. Others on this machine see options.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")


def with_client(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command a client as its first argument, the options for it, and words for errors."""

    @with_access
    @wraps(command)
    def run(access: Access, /, *args: Any, **kwargs: Any) -> R:
        with access.open() as sk:
            return command(sk, *args, **kwargs)

    return run


def with_access(command: Callable[..., R]) -> Callable[..., R]:
    """The same for a command that makes its client itself: its first argument is an `Access`."""

    @wraps(command)
    def run(*args: Any, api_key: str | None, base_url: str | None, **kwargs: Any) -> R:
        access = find_access(api_key, base_url)
        with told(access.key_source):
            return command(access, *args, **kwargs)

    return _api_key_option(base_url_option(run))


# -- errors -------------------------------------------------------------------------------------


@contextmanager
def told(key_source: str) -> Iterator[None]:
    """Turn what a call raises into words on standard error and exit code 1."""
    try:
        yield
    except SenderKitError as error:
        raise click.ClickException(words_of(error, key_source)) from error
    except ValueError as error:  # the client's word for an argument that makes no sense
        raise click.ClickException(f"{error}.") from error


def words_of(error: SenderKitError, key_source: str = "the key") -> str:
    """What happened, and what to do about it."""
    if isinstance(error, SenderKitAuthenticationError):
        return (
            f"the server does not know {key_source}, or it was revoked. "
            "Make another under API keys in the dashboard, then run 'senderkit login'."
        )
    if isinstance(error, SenderKitPermissionError):
        return (
            f"{key_source} is valid, but it lacks a scope. {error} "
            "Use a key that has it: scopes are chosen when a key is made."
        )
    return " ".join([str(error), *_more_words(error)])


def _more_words(error: SenderKitError) -> Iterator[str]:
    if isinstance(error, SenderKitValidationError) and error.issues:
        yield "".join(f"\n  {path_of(issue)}: {issue['message']}" for issue in error.issues)
    elif isinstance(error, SenderKitRateLimitError):
        yield f"Try again in {error.retry_after or 1:g} seconds."
    elif isinstance(error, SenderKitNetworkError):
        yield _WHERE
    elif isinstance(error, SenderKitApiError) and error.status >= 500 and error.request_id:
        yield f"The server's log has more, under {error.request_id}."


def path_of(issue: Issue) -> str:
    """`content.subject` of a path; the whole request when there is none."""
    return ".".join(str(step) for step in issue["path"]) or "request"
