"""Single-use numbers of forms that show a secret: sent twice, such a form makes one thing."""

from __future__ import annotations

from senderkit import crypto
from senderkit.web.dashboard import sessions
from senderkit.web.runtime import runtime


def new_nonce() -> str:
    """A number that makes one thing, signed for this session: nobody can bring one from elsewhere.

    It is kept beside what it made, so a repeated form finds that.
    """
    return runtime().key_form_signer.sign(f"{_session_mark()}.{crypto.new_secret()}")


def find_nonce(signed: str) -> str | None:
    """The number, or None when this session did not get it from us."""
    mark, _, nonce = (runtime().key_form_signer.find_value(signed) or "").partition(".")
    return nonce if nonce and crypto.is_same(mark, _session_mark()) else None


def _session_mark() -> str:
    return crypto.hash_secret(sessions.get_signed_in().token)
