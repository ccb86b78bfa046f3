"""The link in every mail: a page with a button, and the one-click post of mail programs (RFC 8058).

Looking changes nothing, since programs open links to check them. The signed link is the only proof
that is asked for: no login, no CSRF token.
"""

from __future__ import annotations

from flask import Blueprint, render_template, url_for
from werkzeug.exceptions import NotFound

from senderkit.domain import Channel
from senderkit.services import access, suppressions
from senderkit.web.extensions import session
from senderkit.web.runtime import UNSUBSCRIBE_PATH, runtime

pages = Blueprint("unsubscribe", __name__, url_prefix=UNSUBSCRIBE_PATH)


@pages.get("/<signed>")
def show(signed: str) -> str:
    """Ask whether the recipient wants no more."""
    action = url_for("unsubscribe.one_click", signed=signed)
    return _page("unsubscribe/show.html", _message_of(signed), action=action)


@pages.post("/<signed>")
def one_click(signed: str) -> str:
    """Send the recipient no more. Repeats change nothing."""
    message_id = _message_of(signed)
    suppressions.unsubscribe(runtime().engine, message_id, now=runtime().clock())
    return _page("unsubscribe/done.html", message_id)


def _message_of(signed: str) -> str:
    """The public id of the message that the link stands in. Raises 404 when it is not ours."""
    message_id = runtime().unsubscribe_signer.find_value(signed)
    if message_id is None:
        raise NotFound
    return message_id


def _page(template: str, message_id: str, **context: str) -> str:
    recipient = suppressions.find_unsubscribable(runtime().reader, message_id)
    if recipient is None:
        raise NotFound
    return render_template(
        template,
        workspace=access.find_workspace(session()),
        channel=Channel.EMAIL.value,
        recipient=masked(recipient),
        **context,
    )


def masked(address: str) -> str:
    """`ada@example.com` as `a…@example.com`: whoever got a forwarded mail learns no address."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}"
