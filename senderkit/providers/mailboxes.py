"""Email addresses as they are written, made safe for a header, an SMTP line and a JSON field."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from senderkit.errors import Issue, Refused

_UNSAFE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LOCAL_PART: Final = re.compile(r'[^\s<>()\[\],;:\\"@]{1,64}')
_DOMAIN: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
    r"|\[[0-9a-z.:]+\]",
    re.IGNORECASE,
)
_LABEL_DOTS: Final = re.compile("[.\u3002\uff0e\uff61]")
_PLAIN_NAME: Final = re.compile(r"[^()<>@,;:\\\".\[\]=]+")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address that is safe in a header and on an SMTP line; `domain` is in ASCII."""

    name: str
    local_part: str
    domain: str

    @property
    def address(self) -> str:
        return f"{self.local_part}@{self.domain}"

    def __str__(self) -> str:
        """`Name <address>` as JSON APIs take it: quoted as it needs to be, never encoded."""
        if not self.name:
            return self.address
        is_plain = _PLAIN_NAME.fullmatch(self.name) is not None
        return f"{self.name if is_plain else quoted(self.name)} <{self.address}>"


def quoted(name: str) -> str:
    """The name as a quoted string."""
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def parse_mailbox(text: str) -> Mailbox:
    """Read a bare address or `Name <address>`. Raises `Refused`."""
    refuse_unsafe(text, "An address")
    name, address = "", text.strip()
    if address.endswith(">"):
        name, _, address = address[:-1].rpartition("<")
    local_part, _, domain = address.strip().rpartition("@")
    domain = _ascii_domain(domain)
    if not _LOCAL_PART.fullmatch(local_part) or not _DOMAIN.fullmatch(domain):
        raise Refused("An address of this message is not a valid email address.")
    return Mailbox(_unquoted(name.strip()), local_part, domain)


def sender_issues(name: str, label: str, text: str) -> Iterator[Issue]:
    """What is wrong with the sender that a person entered in the field `name`."""
    try:
        sender = parse_mailbox(text)
    except Refused:
        message = f"{label} must be an address, bare or as Name <address>."
        yield Issue("invalid", (name,), message)
        return
    if not sender.local_part.isascii():
        message = f"{label} must not have other than ASCII characters before the @."
        yield Issue("invalid", (name,), message)


def refuse_unsafe(value: str, subject: str) -> None:
    """Raises `Refused` when `value` could break out of a header; `subject` opens the sentence."""
    if _UNSAFE.search(value):
        raise Refused(f"{subject} holds a control character or a line break.")


def _unquoted(name: str) -> str:
    if re.fullmatch('".*"', name):
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    if re.search("[<>]", name):
        raise Refused("An address of this message is not a valid email address.")
    return name


def _ascii_domain(domain: str) -> str:
    if domain.isascii():
        return domain
    return ".".join(_ascii_label(label) for label in _LABEL_DOTS.split(domain))


def _ascii_label(label: str) -> str:
    # Not the library's "idna" codec: it follows the standard of 2003 and turns ß into ss, which
    # is another domain. Lower-cased one by one, so that no sigma becomes a final one.
    lowered = "".join(c.lower() for c in unicodedata.normalize("NFKC", label))
    if lowered.isascii():
        return lowered
    return "xn--" + lowered.encode("punycode").decode("ascii")
