"""Coming in and going out: set-up, login, logout, password, and the mode that a person looks at."""

from __future__ import annotations

import math
from collections.abc import Mapping

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest, NotFound

from senderkit import crypto
from senderkit.commands import SetUp, parse_change_password, parse_set_up
from senderkit.commands.limits import MIN_PASSWORD
from senderkit.domain import Mode
from senderkit.errors import InvalidRequest, Issue
from senderkit.models import Member
from senderkit.services import access
from senderkit.web.dashboard import sessions
from senderkit.web.dashboard.frame import area_path, field_errors, page, viewer
from senderkit.web.dashboard.visitors import is_from_this_machine, local_path
from senderkit.web.extensions import session
from senderkit.web.runtime import runtime

pages = Blueprint("access", __name__)


# -- set-up -----------------------------------------------------------------------------------


@pages.get("/setup")
def setup() -> ResponseReturnValue:
    """Ask for the workspace and its owner; closed for good once there is one."""
    _check_open()
    return _setup_page({})


@pages.post("/setup")
def set_up() -> ResponseReturnValue:
    """Make the workspace and its owner, who is logged in at once."""
    _check_open()
    try:
        owner = access.set_up(session(), _read_set_up(), now=runtime().clock())
    except InvalidRequest as error:
        return _setup_page(field_errors(error)), 422
    except access.SetUpClosed as error:
        raise NotFound from error
    sessions.remember(owner, access.start_session(session(), owner, now=runtime().clock()))
    return redirect("/")


def _check_open() -> None:
    if access.is_set_up(session()):
        raise NotFound


def _read_set_up() -> SetUp:
    """Raises `InvalidRequest`; the token is checked before anything slow is done."""
    form = request.form
    if _needs_token() and not crypto.is_same(form.get("token", "").strip(), runtime().setup_token):
        issue = Issue("invalid_value", ("token",), "This is not the token on the server's console.")
        raise InvalidRequest(issue.message, [issue])
    return parse_set_up(
        workspace=form.get("workspace", ""),
        email=form.get("email", ""),
        password=form.get("password", ""),
    )


def _needs_token() -> bool:
    return not is_from_this_machine(request)


def _setup_page(errors: Mapping[str, str]) -> str:
    return render_template(
        "access/setup.html",
        needs_token=_needs_token(),
        min_password_length=MIN_PASSWORD,
        errors=errors,
        values=request.form,
    )


# -- login and logout -------------------------------------------------------------------------


@pages.get("/login")
def login() -> ResponseReturnValue:
    """Ask who is there."""
    if not access.is_set_up(session()):
        return redirect("/setup")
    if sessions.find_signed_in():
        return redirect("/")
    return _login_page({})


@pages.post("/login")
def log_in() -> ResponseReturnValue:
    """Log in and go on to the page that was wanted."""
    email = request.form.get("email", "")
    wait = runtime().login_limits.take(email, request.remote_addr or "")
    if wait is not None:
        return _too_many(_login_page({"form": _slow_down(wait)}), wait)
    password = request.form.get("password", "")
    found = access.sign_in(session(), email, password, now=runtime().clock())
    if found is None:
        return _login_page({"form": "Wrong email address or password."}), 422
    runtime().login_limits.succeeded(email)
    sessions.remember(*found)
    return redirect(local_path(request.form.get("next", "/")))


def _login_page(errors: Mapping[str, str]) -> str:
    return render_template(
        "access/login.html",
        workspace=access.find_workspace(session()),
        next_url=local_path(request.values.get("next", "")),
        errors=errors,
        values=request.form,
    )


def _slow_down(wait_seconds: float) -> str:
    seconds = math.ceil(wait_seconds)
    unit = "second" if seconds == 1 else "seconds"
    return f"There were too many tries. Wait {seconds} {unit}, then try again."


def _too_many(text: str, wait_seconds: float) -> Response:
    return make_response(text, 429, {"Retry-After": str(math.ceil(wait_seconds))})


@pages.post("/logout")
def logout() -> ResponseReturnValue:
    """End this session, here and on the server."""
    signed_in = sessions.get_signed_in()
    access.end_session(session(), signed_in.token, now=runtime().clock())
    sessions.forget()
    return redirect("/login")


# -- while logged in --------------------------------------------------------------------------


@pages.get("/password")
def password() -> str:
    """Ask for the old and the new password."""
    return _password_page({})


@pages.post("/password")
def change_password() -> ResponseReturnValue:
    """Change one's password, which ends every session but this one."""
    member = viewer().member
    wait = runtime().login_limits.take(member.email, request.remote_addr or "")
    if wait is not None:
        return _too_many(_password_page({"form": _slow_down(wait)}), wait)
    try:
        token = _change_password(member)
    except InvalidRequest as error:
        names = {"current": "current_password", "new": "new_password"}
        return _password_page(field_errors(error, names)), 422
    runtime().login_limits.succeeded(member.email)
    sessions.remember(member, token)
    flash("Your password is changed. You are logged out everywhere else.", "success")
    return redirect("/")


def _change_password(member: Member) -> str:
    """The token of the new session. Raises `InvalidRequest`."""
    form = request.form
    command = parse_change_password(
        current=form.get("current_password", ""),
        new=form.get("new_password", ""),
        email=member.email,
        workspace=member.workspace.name,
    )
    return access.change_password(session(), member, command, now=runtime().clock())


def _password_page(errors: Mapping[str, str]) -> str:
    return page("access/password.html", min_password_length=MIN_PASSWORD, errors=errors)


@pages.post("/mode")
def switch_mode() -> ResponseReturnValue:
    """Look at the other mode, kept for the person; back to the area they came from."""
    wanted = request.form.get("mode", "")
    if wanted not in set(Mode):
        raise BadRequest
    access.show_mode(session(), viewer().member, livemode=Mode(wanted).livemode)
    return redirect(area_path(request.form.get("area", "")))
