"""Coming in and going out: set-up, login, logout, password, and the mode that a person looks at."""

from __future__ import annotations

import math

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


@pages.route("/setup", methods=["GET", "POST"])
def setup() -> ResponseReturnValue:
    """Make the workspace and its owner, once; closed for good afterwards."""
    if access.is_set_up(session()):
        raise NotFound
    needs_token = not is_from_this_machine(request)
    if request.method == "GET":
        return _setup_page(needs_token, {})
    try:
        command = _read_set_up(needs_token)
        owner = access.set_up(session(), command, now=runtime().clock())
    except InvalidRequest as error:
        return _setup_page(needs_token, field_errors(error)), 422
    except access.SetUpClosed as error:
        raise NotFound from error
    return _welcome(owner)


def _read_set_up(needs_token: bool) -> SetUp:
    """Raises `InvalidRequest`; the token is checked before anything slow is done."""
    form = request.form
    if needs_token and not crypto.is_same(form.get("token", "").strip(), runtime().setup_token):
        issue = Issue("invalid_value", ("token",), "This is not the token on the server's console.")
        raise InvalidRequest(issue.message, [issue])
    return parse_set_up(
        workspace=form.get("workspace", ""),
        email=form.get("email", ""),
        password=form.get("password", ""),
    )


def _setup_page(needs_token: bool, errors: dict[str, str]) -> str:
    return render_template(
        "access/setup.html",
        needs_token=needs_token,
        min_password_length=MIN_PASSWORD,
        errors=errors,
        values=request.form,
    )


def _welcome(owner: Member) -> ResponseReturnValue:
    token = access.start_session(session(), owner, now=runtime().clock())
    sessions.remember(owner, token)
    return redirect("/")


# -- login and logout -------------------------------------------------------------------------


@pages.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    """Log in and go on to the page that was wanted."""
    if request.method == "POST":
        return _log_in()
    if not access.is_set_up(session()):
        return redirect("/setup")
    if sessions.find_signed_in():
        return redirect("/")
    return _login_page({})


def _log_in() -> ResponseReturnValue:
    email = request.form.get("email", "")
    wait = runtime().login_limits.take(email, request.remote_addr or "")
    if wait is not None:
        return _slow_down(wait)
    password = request.form.get("password", "")
    found = access.sign_in(session(), email, password, now=runtime().clock())
    if found is None:
        return _login_page({"form": "Wrong email address or password."}), 422
    runtime().login_limits.succeeded(email)
    sessions.remember(*found)
    return redirect(local_path(request.form.get("next", "/")))


def _slow_down(wait_seconds: float) -> Response:
    seconds = math.ceil(wait_seconds)
    unit = "second" if seconds == 1 else "seconds"
    text = f"There were too many tries. Wait {seconds} {unit}, then try again."
    response = make_response(_login_page({"form": text}), 429)
    response.headers["Retry-After"] = str(seconds)
    return response


def _login_page(errors: dict[str, str]) -> str:
    return render_template(
        "access/login.html",
        workspace=access.find_workspace(session()),
        next_url=local_path(request.values.get("next", "")),
        errors=errors,
        values=request.form,
    )


@pages.post("/logout")
def logout() -> ResponseReturnValue:
    """End this session, here and on the server."""
    signed_in = sessions.get_signed_in()
    access.end_session(session(), signed_in.token, now=runtime().clock())
    sessions.forget()
    return redirect("/login")


# -- while logged in --------------------------------------------------------------------------


@pages.route("/password", methods=["GET", "POST"])
def password() -> ResponseReturnValue:
    """Change one's password, which ends every other session."""
    if request.method == "GET":
        return _password_page({})
    try:
        token = _change_password(viewer().member)
    except InvalidRequest as error:
        names = {"current": "current_password", "new": "new_password"}
        return _password_page(field_errors(error, names)), 422
    sessions.remember(viewer().member, token)
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


def _password_page(errors: dict[str, str]) -> str:
    return page("access/password.html", min_password_length=MIN_PASSWORD, errors=errors)


@pages.post("/mode")
def switch_mode() -> ResponseReturnValue:
    """Look at the other mode, kept for the person; back to the area they came from."""
    wanted = request.form.get("mode", "")
    if wanted not in set(Mode):
        raise BadRequest
    access.show_mode(session(), viewer().member, livemode=Mode(wanted).livemode)
    return redirect(area_path(request.form.get("area", "")))
