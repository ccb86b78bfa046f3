"""What the words in the editor look like at the moment, and what is to be said about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from senderkit.commands.issues import IssueCode
from senderkit.domain import EmailBody, JsonObject, SmsBody
from senderkit.errors import InvalidRequest, Issue, TemplateError
from senderkit.rendering import Rendered, render_output
from senderkit.services.drafts import Draft, Studio, read_studio, render_draft
from senderkit.sms_segments import Segments, count_segments
from senderkit.template_checks import Check, Level, check_template
from senderkit.template_variables import infer_variables
from senderkit.web.dashboard.template_desk import Desk
from senderkit.web.dashboard.template_fields import names_by_wire
from senderkit.web.dashboard.template_form import editor_errors, read_draft
from senderkit.web.dashboard.template_samples import read_sample
from senderkit.web.extensions import session

_TOLD_BY_CHECKS: Final = frozenset({IssueCode.REQUIRED, "template_syntax"})
_MOST_TOLD: Final = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """A check for the page: `field` is the form's, `language` another one than that in the form."""

    level: str
    field: str
    message: str
    advice: str
    line: int | None = None
    column: int | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """`output` is None when it cannot be rendered: `fault` says why."""

    channel: str
    output: Mapping[str, Any] | None
    fault: str | None
    missing: tuple[str, ...]
    findings: tuple[Finding, ...]
    more_findings: int
    segments: Segments | None
    undeclared: tuple[str, ...]
    blocks: tuple[str, ...]

    def count(self, level: str) -> int:
        return sum(finding.level == level for finding in self.findings)


def look_at(desk: Desk, form: Mapping[str, str], *, tells_form_issues: bool = True) -> Look:
    """The words of a form, which may be unfinished, rendered and checked."""
    draft, issues = read_draft(desk.channel, form, desk.base)
    studio = studio_of(desk)
    rendered, values, fault = _try_rendering(desk, form, draft, studio)
    findings = [
        *(_of_issues(desk, issues) if tells_form_issues else ()),
        *_of_checks(desk, draft, studio, values, rendered),
    ]
    wanted = infer(draft, studio)
    return Look(
        channel=desk.channel.value,
        output=render_output(rendered.body) if rendered else None,
        fault=fault,
        missing=rendered.missing[:_MOST_TOLD] if rendered else (),
        findings=tuple(findings[:_MOST_TOLD]),
        more_findings=max(0, len(findings) - _MOST_TOLD),
        segments=_segments(rendered),
        undeclared=tuple(each["name"] for each in wanted),
        blocks=tuple(studio.blocks),
    )


def studio_of(desk: Desk) -> Studio:
    template = desk.template
    return read_studio(session().connection(), template.workspace_id, template.theme_id)


def infer(draft: Draft, studio: Studio) -> list[JsonObject]:
    """Declarations of what the words use and nobody has declared."""
    return infer_variables(
        draft.channel, draft.content, draft.translations, draft.variables, studio.blocks
    )


def render_form(desk: Desk, form: Mapping[str, str]) -> Rendered:
    """Raises `InvalidRequest` for the sample values, `TemplateError` for the words."""
    draft, _ = read_draft(desk.channel, form, desk.base)
    values = read_sample(form, desk.template, desk.base.variables, draft.variables)
    return render_draft(draft, studio_of(desk), values)


def _try_rendering(
    desk: Desk, form: Mapping[str, str], draft: Draft, studio: Studio
) -> tuple[Rendered | None, JsonObject | None, str | None]:
    values: JsonObject | None = None
    try:
        values = read_sample(form, desk.template, desk.base.variables, draft.variables)
        return render_draft(draft, studio, values), values, None
    except InvalidRequest as error:
        return None, None, error.message
    except TemplateError as error:
        return None, values, str(error)


def _segments(rendered: Rendered | None) -> Segments | None:
    body = rendered.body if rendered else None
    return count_segments(body.body) if isinstance(body, SmsBody) else None


# -- findings ---------------------------------------------------------------------------------


def _of_issues(desk: Desk, issues: Iterable[Issue]) -> Iterable[Finding]:
    """What stands in the way of saving and is no matter of the words themselves."""
    own = [issue for issue in issues if issue.code not in _TOLD_BY_CHECKS]
    if not own:
        return
    told = editor_errors(desk.channel, InvalidRequest("", own), desk.language)
    for field, message in told.items():
        yield Finding(Level.ERROR.value, field, message, "It cannot be saved like this.")


def _of_checks(
    desk: Desk, draft: Draft, studio: Studio, values: JsonObject | None, rendered: Rendered | None
) -> Iterable[Finding]:
    names = names_by_wire(desk.channel)
    checks = check_template(
        draft.channel,
        draft.content,
        translations=draft.translations,
        variables=draft.variables,
        blocks=studio.blocks,
        theme=studio.theme,
        samples=values,
        rendered_html=_html_of(rendered),
    )
    return [_finding(check, names, desk.language) for check in checks]


def _html_of(rendered: Rendered | None) -> str | None:
    return rendered.body.html if rendered and isinstance(rendered.body, EmailBody) else None


def _finding(check: Check, names: Mapping[str, str], language: str) -> Finding:
    root = check.field.partition(".")[0]
    is_here = root == "variables" or (check.language or "") == language
    return Finding(
        level=check.level.value,
        field=names.get(root, root),
        message=check.message,
        advice=check.advice,
        line=check.line,
        column=check.column,
        language=None if is_here else check.language or "default",
    )
