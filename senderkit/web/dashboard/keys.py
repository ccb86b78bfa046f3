"""API keys: the list, the form, the one answer that shows a token, and revoking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from senderkit.commands import parse_create_key
from senderkit.domain import Mode, Scope
from senderkit.errors import InvalidRequest
from senderkit.models import ApiKey
from senderkit.services import access, api_keys
from senderkit.web.dashboard.frame import field_errors, page, viewer
from senderkit.web.dashboard.nonces import find_nonce, new_nonce
from senderkit.web.dashboard.visitors import base_url
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("keys", __name__, url_prefix="/keys")


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as the pages show it. No scopes at all means full access."""

    public_id: str
    name: str
    mode: str
    prefix: str
    last_four: str
    scopes: list[str]
    created_by: str | None
    created_at: datetime
    last_used_at: datetime | None
    last_used_route: str | None
    last_used_address: str | None
    use_count: int
    revoked_at: datetime | None
    revoked_by: str | None


def _row(key: ApiKey) -> KeyRow:
    return KeyRow(
        public_id=key.public_id,
        name=key.name,
        mode=Mode.of(key.livemode).value,
        prefix=key.prefix,
        last_four=key.last_four,
        scopes=key.scopes.split(),
        created_by=key.created_by.email if key.created_by else None,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        last_used_route=key.last_used_route,
        last_used_address=key.last_used_address,
        use_count=key.use_count,
        revoked_at=key.revoked_at,
        revoked_by=key.revoked_by.email if key.revoked_by else None,
    )


@pages.get("")
def index() -> str:
    """The keys of the mode shown, revoked ones folded away."""
    return _list_page()


def _list_page(**about_created: Any) -> str:
    looking = viewer()
    found = api_keys.list_keys(session(), looking.workspace_id, livemode=looking.livemode)
    rows = [_row(key) for key in found]
    return page("keys/index.html", "keys", rows=rows, **about_created)


# -- making one -------------------------------------------------------------------------------


@pages.get("/new")
def new() -> str:
    """The form of a new key, for the mode shown, with every scope chosen."""
    values = {"name": "", "mode": viewer().mode.value, "scopes": [scope.value for scope in Scope]}
    return _form_page(values, {})


@pages.post("")
def create() -> ResponseReturnValue:
    """Make a key and show its token in this very answer, which is never to be had again."""
    nonce = find_nonce(request.form.get("nonce", ""))
    try:
        key, token = _create_key(nonce)
    except InvalidRequest as error:
        return _form_page(_typed(), field_errors(error)), 422
    except api_keys.AlreadyCreated:
        return _list_page(already_created=_row(_key_of(nonce)))
    public_url = runtime().settings.public_url
    return _list_page(secret=token, created_key=_row(key), base_url=base_url(request, public_url))


def _create_key(nonce: str | None) -> tuple[ApiKey, str]:
    """Raises `InvalidRequest` and `AlreadyCreated`."""
    form, looking = request.form, viewer()
    command = parse_create_key(form.get("name", ""), form.get("mode", ""), form.getlist("scopes"))
    if nonce is None:
        raise InvalidRequest("This form was opened before you logged in. Send it again.")
    # First: whatever failed after the key is made would cost its token.
    access.show_mode(session(), looking.member, livemode=command.mode.livemode)
    return api_keys.create_key(
        session(),
        command,
        workspace_id=looking.workspace_id,
        created_by_id=looking.member.id,
        nonce=nonce,
        now=runtime().clock(),
    )


def _key_of(nonce: str | None) -> ApiKey:
    assert nonce is not None  # noqa: S101 - only a known one is found a second time
    return api_keys.get_key_by_nonce(session(), viewer().workspace_id, nonce)


def _typed() -> Mapping[str, Any]:
    form = request.form
    return {"name": form.get("name"), "mode": form.get("mode"), "scopes": form.getlist("scopes")}


def _form_page(values: Mapping[str, Any], errors: Mapping[str, str]) -> str:
    return page("keys/new.html", "keys", nonce=new_nonce(), values=values, errors=errors)


# -- revoking one -----------------------------------------------------------------------------


@pages.get("/<public_id>/revoke")
def revoke(public_id: str) -> ResponseReturnValue:
    """Ask before a key is revoked, with what would break."""
    key = api_keys.get_key(session(), viewer().workspace_id, public_id)
    if key.revoked_at is not None:
        flash(f"The key “{key.name}” is revoked already.", "info")
        return redirect(url_for("keys.index"))
    return page("keys/revoke.html", "keys", key=_row(key))


@pages.post("/<public_id>/revoke")
def revoke_now(public_id: str) -> ResponseReturnValue:
    """Revoke a key from the next request on."""
    looking = viewer()
    key = api_keys.revoke_key(
        session(),
        looking.workspace_id,
        public_id,
        revoked_by_id=looking.member.id,
        now=runtime().clock(),
    )
    flash(f"The key “{key.name}” is revoked. Apps that use it are refused from now on.", "success")
    return redirect(url_for("keys.index"))
