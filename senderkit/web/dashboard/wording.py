"""The sentences that pages say about messages: what a status means, what a step of a life was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from senderkit.domain import Channel, MessageStatus, TimelineEvent
from senderkit.services.channel_list import provider_label
from senderkit.services.resends import Repetition

_MEANINGS: Final[Mapping[str, str]] = {
    MessageStatus.SCHEDULED: "It goes out at its time and can be canceled until then.",
    MessageStatus.QUEUED: "It is stored and goes out in a moment.",
    MessageStatus.RENDERED: (
        "Its words are filled in and it is being handed over; a try that fails is repeated."
    ),
    MessageStatus.SENT: "The provider took it. Whether it arrived has not been reported.",
    MessageStatus.DELIVERED: "It reached the recipient, as the provider reported.",
    MessageStatus.FAILED: "It could not be delivered, and nothing more is tried.",
    MessageStatus.CANCELED: "It was canceled before it went out.",
    MessageStatus.OPTED_OUT: "It was not sent, because the recipient has opted out.",
    MessageStatus.SUPPRESSED: (
        "It was not sent: the provider would not send to this recipient, or an earlier message to "
        "this address bounced for good."
    ),
    MessageStatus.BLOCKED: "It was not sent, because a rule of this workspace stops it.",
    TimelineEvent.HELD: "It waits until what is wrong is put right; nothing is lost.",
}
_SIMULATED: Final = "Test mode: its delivery was simulated and nothing left this server."
_SIMULATED_STATES: Final = frozenset(
    {
        MessageStatus.DELIVERED.value,
        MessageStatus.FAILED.value,
        MessageStatus.OPTED_OUT.value,
        MessageStatus.SUPPRESSED.value,
    }
)

Detail = Mapping[str, Any]
Names = Mapping[str, str]


def meaning_of(state: str, *, livemode: bool) -> str:
    """What a state (a status, or `held`) means, in a sentence or two."""
    if not livemode and state == MessageStatus.DELIVERED:
        return _SIMULATED
    if not livemode and state in _SIMULATED_STATES:
        return f"{_MEANINGS[state]} {_SIMULATED}"
    return _MEANINGS[state]


def summary_of(event: str, detail: Detail, names: Names) -> str | None:
    """What a step of the timeline was, or None when its word says it all.

    `names` tells who is behind an id that did something.
    """
    say = _SUMMARIES.get(event)
    return say(detail, names) if say else _reason(detail, names)


def _reason(detail: Detail, _names: Names) -> str | None:
    return detail.get("reason") or detail.get("detail")


def _taken(detail: Detail, _names: Names) -> str | None:
    if detail.get("simulated"):
        return "Simulated: no provider was called."
    provider, said = _provider(detail), detail.get("detail")
    if provider and said:
        return f"{provider} took it: {said}"
    return f"{provider} took it." if provider else said


def _provider(detail: Detail) -> str | None:
    name = detail.get("provider")
    return provider_label(name) if name else None


def _arrived(detail: Detail, names: Names) -> str | None:
    provider, said = _provider(detail), detail.get("detail")
    if detail.get("simulated") or not provider:
        return _taken(detail, names)
    return f"Reported by {provider}: {said}" if said else f"Reported by {provider}."


def _attempt(detail: Detail, _names: Names) -> str:
    provider, connection = _provider(detail) or "a provider", detail.get("connection")
    through = f"“{connection}” ({provider})" if connection else provider
    return f"Attempt {detail.get('attempt', 1)}, through {through}."


def _failover(detail: Detail, _names: Names) -> str:
    following = f"“{detail['to']}”" if "to" in detail else "The next connection"
    return _after(detail.get("reason"), f"{following} takes its turn.")


def _after(reason: str | None, sentence: str) -> str:
    """Both, though what a provider said may be no whole sentence."""
    if not reason:
        return sentence
    return f"{reason} {sentence}" if reason.endswith((".", "!", "?")) else f"{reason}. {sentence}"


def _retry(detail: Detail, names: Names) -> str:
    if detail.get("by"):
        return f"Released by {names.get(detail['by'], detail['by'])} and tried again."
    return _after(detail.get("reason"), f"Next try {_duration(detail.get('inSeconds'))}.")


def _duration(seconds: object) -> str:
    if not isinstance(seconds, int | float) or seconds < 1:
        return "at once"
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"in {round(seconds / size)} {unit}"
    return f"in {round(seconds)} s"


def _canceled(detail: Detail, names: Names) -> str | None:
    actor = detail.get("by")
    return f"Canceled by {names.get(actor, actor)}." if actor else _reason(detail, names)


def _opted_out(detail: Detail, names: Names) -> str | None:
    if detail.get("by") == "recipient":
        return "The recipient unsubscribed."
    return _reason(detail, names)


def _link(detail: Detail, _names: Names) -> str | None:
    link = detail.get("link")
    return f"On {link}" if link else None


def _queued(detail: Detail, names: Names) -> str | None:
    if not detail.get("resendOf"):
        return _reason(detail, names)
    who = f", by {names.get(detail['by'], detail['by'])}" if detail.get("by") else ""
    return f"Repeats {detail['resendOf']}{who}: {detail.get('reason', '')}"


_SUMMARIES: Final[Mapping[str, Callable[[Detail, Names], str | None]]] = {
    TimelineEvent.QUEUED: _queued,
    TimelineEvent.DISPATCHED: _attempt,
    TimelineEvent.FAILOVER: _failover,
    TimelineEvent.SENT: _taken,
    TimelineEvent.DELIVERED: _arrived,
    TimelineEvent.RETRY: _retry,
    TimelineEvent.CANCELED: _canceled,
    TimelineEvent.OPTED_OUT: _opted_out,
    TimelineEvent.CLICKED: _link,
}


def sent_again(repetition: Repetition) -> str:
    """Under which id a message was sent again, by whom and why."""
    return f"As {repetition.public_id}, by {repetition.by or 'the shell'}: {repetition.reason}"


def shown_recipient(recipient: str, channel: str) -> str:
    """A recipient as people read it: of a browser's subscription its endpoint alone."""
    if channel != Channel.WEB_PUSH:
        return recipient
    try:
        endpoint: str = orjson.loads(recipient)["endpoint"].removeprefix("https://")
    except (ValueError, KeyError, TypeError, AttributeError):
        return recipient
    return endpoint


def shown_size(size_bytes: int) -> str:
    """1536 as 1.5 kB."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    size, unit = (1000, "kB") if size_bytes < 999_950 else (1_000_000, "MB")
    return f"{size_bytes / size:.1f} {unit}".replace(".0 ", " ")


def shown_duration(milliseconds: float) -> str:
    """1500 as 1.5 s."""
    for size, unit in ((3_600_000, "h"), (60_000, "min"), (1000, "s")):
        if milliseconds >= size:
            return f"{milliseconds / size:.1f} {unit}".replace(".0 ", " ")
    return f"{milliseconds:.0f} ms"
